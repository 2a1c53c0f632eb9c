import itertools
import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.mlca import MLCA
from regard.core.errors import OptionError
from tests.attention.drawn import assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, sigmoid


def pool(x, sizes):
    """Adaptive average pooling of (c, ...), cell by cell."""
    y = np.empty((len(x), *sizes))
    for cell in itertools.product(*map(range, sizes)):
        window = tuple(
            slice(i * n // m, math.ceil((i + 1) * n / m)) for i, n, m in zip(cell, x.shape[1:], sizes, strict=True)
        )
        part = x[(slice(None), *window)]
        y[(slice(None), *cell)] = part.reshape(len(x), -1).mean(1)
    return y


def formula(x, p, grid=5, weight=0.5):
    """The authors' code: all cells' channels in one row, the whole image's in another."""
    y = np.empty_like(x)
    for b, image in enumerate(x):
        cells = pool(image, (grid,) * (x.ndim - 2))
        row = np.concatenate(
            [cells[(slice(None), *cell)] for cell in itertools.product(range(grid), repeat=x.ndim - 2)]
        )
        whole = cells.reshape(len(cells), -1).mean(1)
        size = p["conv.weight"].shape[-1]
        local = convolve(row[None, None], p["conv_local.weight"], padding=size // 2)[0, 0].reshape(-1, len(cells)).T
        whole = convolve(whole[None, None], p["conv.weight"], padding=size // 2)[0, 0]
        gate = weight * sigmoid(local) + (1 - weight) * sigmoid(whole)[:, None]
        y[b] = image * pool(gate.reshape(cells.shape), image.shape[1:])
    return y


def official(module):
    return {name: values.numpy() for name, values in export_weights(module, "official").items()}


@pytest.mark.parametrize("shape", [(3, 6, 7, 13), (2, 6, 9), (2, 6, 3, 5, 6), (1, 6, 1, 1), (2, 6, 10, 5)])
@pytest.mark.parametrize("options", [{}, {"grid": 2, "local_weight": 0.25}, {"kernel_size": 5}])
def test_it_is_the_formula_of_the_authors_code(shape, options):
    module, x = drawn(MLCA(6, **options)), features(*shape)
    expected = formula(x.numpy(), official(module), options.get("grid", 5), options.get("local_weight", 0.5))
    assert_equal(module(x), expected)


def test_torchs_adaptive_pooling_agrees():
    module, x = drawn(MLCA(8)), features(2, 8, 7, 13)
    cells = torch.nn.functional.adaptive_avg_pool2d(x, 5)
    whole = module.global_conv(cells.mean((2, 3)).unsqueeze(1)).reshape(2, 8, 1, 1)
    local = module.local_conv(cells.permute(0, 2, 3, 1).reshape(2, 1, -1)).reshape(2, 5, 5, 8).permute(0, 3, 1, 2)
    gate = torch.nn.functional.adaptive_avg_pool2d((local.sigmoid() + whole.sigmoid()) / 2, (7, 13))
    torch.testing.assert_close(module(x), x * gate, rtol=1e-11, atol=1e-12)


def test_a_case_computed_by_hand():
    module = MLCA(1, grid=2, local_weight=0.5, kernel_size=1)
    with torch.no_grad():
        module.local_conv.weight.fill_(np.log(3))
        module.global_conv.weight.fill_(2 * np.log(3))
    # The cells are 1 and 0, the local gates 3/4 and 1/2; their mean is 1/2, the global gate 3/4.
    y = module(torch.tensor([[[1.0, 0.0]]]))
    assert y.flatten().tolist() == pytest.approx([0.75, 0.0])


def test_counts_of_the_rule():
    assert [count(MLCA(c)) for c in (16, 64, 128, 256, 512, 2048)] == [6, 6, 10, 10, 10, 14]
    assert names(MLCA(8)) == ["local_conv.weight", "global_conv.weight"]


def test_the_map_weighs_every_value():
    module, x, seen = drawn(MLCA(6)), features(2, 6, 7, 4), []
    module.gate.sink = seen.append
    y = module(x)
    assert seen[0].shape == x.shape
    assert torch.equal(y, x * seen[0])


def test_weights_of_the_authors_code_come_and_go():
    module, other = drawn(MLCA(64)), drawn(MLCA(64), seed=7)
    theirs = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in theirs.items()} == {
        "conv_local.weight": (1, 1, 3),
        "conv.weight": (1, 1, 3),
    }
    import_weights(other, theirs, "official")
    x = features(2, 64, 5, 4)
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"grid": 0}, "mlca: grid=0 is not allowed; it must be an integer of at least 1"),
        ({"local_weight": 1.5}, "mlca: local_weight=1.5 is not allowed; it must be a number from 0 to 1"),
        ({"local_weight": True}, "mlca: local_weight=True is not allowed"),
        ({"kernel_size": 2}, "mlca: kernel_size=2 is not allowed; it must be odd"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        MLCA(8, **options)
