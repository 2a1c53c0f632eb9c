import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.multiscale_ema import MultiscaleEMA
from regard.core.errors import OptionError
from tests.attention.drawn import assert_equal, count, drawn, features
from tests.attention.formulas import convolve, sigmoid, softmax


def formula(x, p, groups):
    """The paper's figure, group by group, in the names of the authors' code."""
    y = np.empty_like(x)
    width, dims = x.shape[1] // groups, x.ndim - 2
    ones = (1,) * dims
    for b in range(len(x)):
        for g in range(groups):
            channels = slice(g * width, (g + 1) * width)
            group = x[b, channels]
            gated = group.copy()
            for axis in range(1, dims + 1):
                strip = group.mean(tuple(a for a in range(1, dims + 1) if a != axis), keepdims=True)
                logits = convolve(strip[None], p["conv1x1.weight"], p["conv1x1.bias"])[0]
                gated = gated * sigmoid(logits)
            one = np.stack([(c - c.mean()) / np.sqrt(c.var() + 1e-5) for c in gated])
            one = one * p["gn.weight"].reshape(-1, *ones) + p["gn.bias"].reshape(-1, *ones)
            other = convolve(group[None], p["conv3x3.weight"], p["conv3x3.bias"], padding=1)[0]
            logits = 0
            for query, seen in ((one, other), (other, one)):
                shares = softmax(np.array([c.mean() for c in query]), 0)
                logits = logits + sum(share * c for share, c in zip(shares, seen, strict=True))
            y[b, channels] = group * sigmoid(logits)
    return y


def official(module):
    return {name: values.numpy() for name, values in export_weights(module, "official").items()}


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (2, 6, 1, 8)])
@pytest.mark.parametrize("groups", [None, 1, 3])
def test_it_is_the_papers_formula(shape, groups):
    module, x = drawn(MultiscaleEMA(6, groups=groups, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), official(module), groups or 2), rtol=1e-9)


def test_a_case_computed_by_hand():
    module = MultiscaleEMA(1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.norm.bias.fill_(np.log(2))
        module.around.bias.fill_(np.log(1.5))
    # Each view is one constant channel, whose softmax is 1: the logit is log 2 + log 1.5, the gate 3/4.
    assert module(torch.tensor([[[[4.0, -8.0]]]])).flatten().tolist() == pytest.approx([3.0, -6.0])


def test_counts_by_hand():
    # 8 channels a group: 64 + 8 of the 1x1, 16 of the norm, 576 + 8 of the 3x3.
    assert count(MultiscaleEMA(64, groups=8)) == 672
    assert count(MultiscaleEMA(64)) == 4 + 2 + 4 + 36 + 2


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (48, 16), (6, 2), (7, 1)])
def test_the_default_number_of_groups_divides_the_channels(channels, groups):
    assert MultiscaleEMA(channels).groups == groups


def test_the_maps_are_of_groups_and_strips():
    module, x, seen = drawn(MultiscaleEMA(6, groups=3)), features(2, 6, 5, 4), {}
    for name, tap in (("rows", module.strips[0]), ("columns", module.strips[1]), ("spatial", module.spatial)):
        tap.sink = lambda values, name=name: seen.update({name: values})
    y = module(x)
    assert {name: tuple(values.shape) for name, values in seen.items()} == {
        "rows": (2, 6, 5, 1),
        "columns": (2, 6, 1, 4),
        "spatial": (2, 3, 5, 4),
    }
    torch.testing.assert_close(y, x * seen["spatial"].repeat_interleave(2, 1), rtol=1e-12, atol=0)


def test_a_group_does_not_see_the_others():
    module, x = drawn(MultiscaleEMA(6, groups=3)), features(1, 6, 5, 4)
    changed = x.clone()
    changed[:, 4:] += 1
    assert torch.equal(module(x)[:, :4], module(changed)[:, :4])


def test_weights_of_the_authors_code_come_and_go():
    module, other = drawn(MultiscaleEMA(8, groups=2)), drawn(MultiscaleEMA(8, groups=2), seed=7)
    theirs = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in theirs.items()} == {
        **{"conv1x1.weight": (4, 4, 1, 1), "conv1x1.bias": (4,), "gn.weight": (4,), "gn.bias": (4,)},
        **{"conv3x3.weight": (4, 4, 3, 3), "conv3x3.bias": (4,)},
    }
    import_weights(other, theirs, "official")
    x = features(2, 8, 5, 4)
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 3}, r"multiscale_ema: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"groups": 0}, "multiscale_ema: groups=0 is not allowed"),
        ({"dims": 0}, "multiscale_ema: dims=0 is not allowed; choose one of 1, 2, 3"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        MultiscaleEMA(8, **options)
