import math

import numpy as np
import pytest
import torch

from regard.attention.channel.srm import SRM
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.formulas import batch_statistics, normalise, over_positions, positions_mean, sigmoid


def style(x, p, unbiased, epsilon=1e-5):
    """Equations 1 to 4: a weighted sum of each channel's mean and standard deviation, with the code's 1e-5."""
    std = np.zeros(x.shape[:2])
    for b, c in np.ndindex(*x.shape[:2]):
        values = x[b, c].ravel()
        squares = ((values - values.mean()) ** 2).sum()
        std[b, c] = math.sqrt(squares / max(len(values) - unbiased, 1) + epsilon)
    return p["style"][:, 0] * positions_mean(x) + p["style"][:, 1] * std


def formula(x, p, unbiased=True, epsilon=1e-5):
    """Equation 5, in evaluation."""
    running = (p["norm.running_mean"], p["norm.running_var"], p["norm.weight"], p["norm.bias"])
    return x * over_positions(sigmoid(normalise(style(x, p, unbiased, epsilon), *running)), x)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 6, 1, 8)])
@pytest.mark.parametrize("unbiased", [True, False])
def test_it_is_the_papers_formula(shape, unbiased):
    module, x = drawn(SRM(6, unbiased=unbiased)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), unbiased))


@pytest.mark.parametrize(("std", "epsilon"), [(1.0, 0.0), (1e-3, 0.0), (1e-3, 1e-5), (0.0, 1e-5)])
def test_nearly_constant_channels_have_the_authors_std(std, epsilon):
    """There the root of 1e-5 is what the weights see: torch.var(dim=2) + 1e-5 under the root, written out here."""
    module, x = drawn(SRM(6, epsilon=epsilon)), std * features(3, 6, 7, 5) + 2
    flat = x.flatten(2)
    theirs = (flat.var(2) + epsilon).sqrt()
    weights = module.style.detach()
    norm = torch.nn.functional.batch_norm(
        weights[:, 0] * flat.mean(2) + weights[:, 1] * theirs,
        module.norm.running_mean,
        module.norm.running_var,
        module.norm.weight,
        module.norm.bias,
    )
    assert_equal(module(x), (x * norm.sigmoid()[:, :, None, None]).detach().numpy())
    assert_equal(module(x), formula(x.numpy(), arrays(module), epsilon=epsilon))


def test_in_training_it_normalises_by_the_batch():
    module, x = drawn(SRM(6)).train(), features(4, 6, 5, 3)
    p = arrays(module)
    z = style(x.numpy(), p, True)
    expected = sigmoid(normalise(z, *batch_statistics(z), p["norm.weight"], p["norm.bias"]))
    assert_equal(module(x), x.numpy() * over_positions(expected, x), rtol=1e-9)


def test_a_case_computed_by_hand():
    module = SRM(1, epsilon=0.0).eval()
    with torch.no_grad():
        module.style.copy_(torch.tensor([[0.5, 1 / math.sqrt(2)]]))
        module.norm.weight.fill_(math.log(3) / 3 * math.sqrt(1 + 1e-5))
    # The mean of 1 and 3 is 2, the standard deviation sqrt(2), so the style is 1 + 1 and the logit log 3 * 2 / 3.
    y = module(torch.tensor([[[1.0, 3.0]]]))
    share = 3 ** (2 / 3) / (1 + 3 ** (2 / 3))
    assert y.flatten().tolist() == pytest.approx([share, 3 * share])


def test_it_starts_at_a_half_as_the_authors():
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(SRM(8)(x), x / 2)


def test_counts_of_the_papers_network():
    assert PLAIN_RESNET[50] + sum(n * count(SRM(c)) for c, n in block_outputs(50)) == 25_617_448
    assert names(SRM(8)) == ["style", "norm.weight", "norm.bias"]


def test_the_authors_weights_round_trip():
    module, other = drawn(SRM(6)), SRM(6).double().eval()
    state = export_weights(module, "official")
    assert {name: values.shape for name, values in state.items() if values.ndim} == {
        "cfc": (6, 2),
        **{f"bn.{name}": (6,) for name in ("weight", "bias", "running_mean", "running_var")},
    }
    import_weights(other, state, "official")
    x = features(2, 6, 5, 3)
    assert torch.equal(other(x), module(x))


def test_single_positions_and_constant_channels_have_gradients():
    for x in (torch.ones(2, 4, 1, 1), torch.ones(2, 4, 3, 3)):
        x.requires_grad_()
        SRM(4, start="identity")(x).sum().backward()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"unbiased": 1}, "srm: unbiased=1 is not allowed; it must be True or False"),
        ({"epsilon": -1e-5}, "srm: epsilon=-1e-05 is not allowed; it must be a number of at least 0"),
        ({"strict": "no"}, "srm: strict='no' is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SRM(8, **options)


def test_a_single_image_warns_or_is_refused():
    with pytest.warns(UserWarning, match="one value per channel"):
        SRM(8)(torch.randn(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="batches of two or more"):
        SRM(8, strict=True)(torch.randn(1, 8, 4, 4))
