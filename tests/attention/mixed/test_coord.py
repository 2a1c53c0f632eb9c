import numpy as np
import pytest
import torch
from timm.layers.coord_attn import CoordAttn

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.coord import Coord
from regard.core import taps
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import batch_statistics, normalise, sigmoid
from tests.attention.twins import assert_twins


def hardswish(z):
    return z * np.clip(z + 3, 0, 6) / 6


def formula(x, p, statistics=None):
    """Equations 4 to 9 of the paper, with the biases and the norm of the authors' code."""
    axes = range(2, x.ndim)
    means = [x.mean(tuple(a for a in axes if a != axis)) for axis in axes]
    z = np.concatenate(means, 2)
    f = np.stack([p["reduce.weight"][..., 0] @ image for image in z])
    f = f + p["reduce.bias"][:, None] if "reduce.bias" in p else f
    mean, variance = statistics(f) if statistics else (p["norm.running_mean"], p["norm.running_var"])
    f = hardswish(normalise(f, mean, variance, p["norm.weight"], p["norm.bias"]))
    parts = np.split(f, np.cumsum(x.shape[2:])[:-1], 2)
    for axis, part in zip(axes, parts, strict=True):
        logits = np.stack([p[f"expand.{axis - 2}.weight"][..., 0] @ image for image in part])
        logits = logits + p[f"expand.{axis - 2}.bias"][:, None] if f"expand.{axis - 2}.bias" in p else logits
        shape = [size if a in (0, 1, axis) else 1 for a, size in enumerate(x.shape)]
        x = x * sigmoid(logits).reshape(shape)
    return x


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 6, 1, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module = drawn(Coord(6, reduction=2, least=3, bias=bias, dims=len(shape) - 2))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_the_norm_covers_rows_and_columns_together():
    module, x = drawn(Coord(6, least=3)).train(), features(4, 6, 7, 5)
    expected = formula(x.numpy(), arrays(module), statistics=batch_statistics)
    assert_equal(module(x), expected, rtol=1e-9)


def test_a_case_computed_by_hand():
    module = Coord(1, least=1).eval()
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.reduce.weight.fill_(1.0)
        module.norm.weight.fill_((1 + 1e-5) ** 0.5)
        module.expand[0].weight.fill_(np.log(3) / 4)
    # The rows' means are 4 and -4, which hardswish makes 4 and 0; the columns' map is 1/2 everywhere.
    y = module(torch.tensor([[[[4.0, 4.0], [-4.0, -4.0]]]]))
    torch.testing.assert_close(y, torch.tensor([[[[1.5, 1.5], [-1.0, -1.0]]]]))


def test_timm_with_biases_agrees():
    assert_twins(Coord(64), CoordAttn(64, rd_channels=8, bias=True), "timm", features(2, 64, 7, 5))
    assert_twins(Coord(96, hidden=24), CoordAttn(96, rd_channels=24, bias=True), "timm", features(2, 96, 3, 2))
    theirs = CoordAttn(24, rd_channels=12, bias=False)
    assert_twins(Coord(24, reduction=2, bias=False), theirs, "timm", features(3, 24, 4, 9))


def test_the_authors_layout_goes_there_and_back():
    module = drawn(Coord(6))
    state = export_weights(module, "official")
    assert {name: tuple(state[name].shape) for name in ("conv1.weight", "bn1.weight", "conv_w.weight")} == {
        "conv1.weight": (8, 6, 1, 1),
        "bn1.weight": (8,),
        "conv_w.weight": (6, 8, 1, 1),
    }
    other = Coord(6).double().eval()
    import_weights(other, state, "official")
    x = features(2, 6, 3, 4)
    assert torch.equal(other(x), module(x))


def test_counts_and_order():
    # 64 to 8 and twice 8 to 64, with biases, and a norm of 8.
    assert count(Coord(64)) == (64 * 8 + 8) + 16 + 2 * (8 * 64 + 64)
    assert [Coord(c).reduce.out_channels for c in (16, 256, 512, 1024)] == [8, 8, 16, 32]
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names(Coord(8))))
    assert layers == ["reduce", "norm", "expand.0", "expand.1"]


def test_each_map_lies_along_its_axis():
    module, x, seen = drawn(Coord(6)), features(2, 6, 3, 4), []
    for tap in taps(module).values():
        tap.sink = seen.append
    y = module(x)
    assert [tuple(values.shape) for values in seen] == [(2, 6, 3, 1), (2, 6, 1, 4)]
    torch.testing.assert_close(y, x * seen[0] * seen[1], rtol=1e-12, atol=0)


def test_a_strength_tempers_each_map():
    module, seen = drawn(Coord(6, start="identity")), []
    torch.nn.init.constant_(module.strength, 0.25)
    for tap in taps(module).values():
        tap.sink = seen.append
    module(features(2, 6, 3, 4))
    assert all(values.min() >= 0.75 for values in seen)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": 0}, "coord: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"least": 0}, "coord: least=0 is not allowed; it must be an integer of at least 1"),
        ({"bias": 0}, "coord: bias=0 is not allowed; it must be True or False"),
        ({"dims": 4}, "coord: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"strict": 0}, "coord: strict=0 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Coord(8, **options)


def test_strict_training_refuses_a_single_value():
    with pytest.warns(UserWarning, match="one value per channel"):
        Coord(8, dims=1)(torch.randn(1, 8, 1))
    with pytest.raises(ShapeError, match="batches of two or more"):
        Coord(8, dims=1, strict=True)(torch.randn(1, 8, 1))
