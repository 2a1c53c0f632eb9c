import math

import numpy as np
import pytest
import torch

from regard.attention.mixed.gam import GAM
from regard.core import taps
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import batch_statistics, convolve, normalise, relu, sigmoid


def formula(x, p, groups=1, linear=False, statistics=None):
    """Equations 1 and 2 of the paper, with the shuffle of its grouped form."""

    def norm(name, z):
        given = statistics(z) if statistics else [p[f"around.{name}.running_{which}"] for which in ("mean", "var")]
        return normalise(z, *given, p[f"around.{name}.weight"], p[f"around.{name}.bias"])

    def conv(name, z):
        weight = p[f"around.{name}.weight"]
        return convolve(z, weight, p[f"around.{name}.bias"], padding=weight.shape[-1] // 2, groups=groups)

    own = np.empty_like(x)
    for n in range(len(x)):
        for index in np.ndindex(*x.shape[2:]):
            vector = x[(n, slice(None), *index)]
            hidden = relu(p["reduce.weight"] @ vector + p["reduce.bias"])
            own[(n, slice(None), *index)] = p["expand.weight"] @ hidden + p["expand.bias"]
    x = x * (own if linear else sigmoid(own))
    values = sigmoid(norm("expand_norm", conv("expand", relu(norm("reduce_norm", conv("reduce", x))))))
    order = np.arange(x.shape[1]).reshape(groups, -1).T.ravel()
    return x * values[:, order]


@pytest.mark.parametrize("shape", [(3, 8, 7, 5), (2, 8, 9), (2, 8, 3, 4, 2), (1, 8, 1, 1)])
@pytest.mark.parametrize("options", [{}, {"score": "linear"}, {"groups": 2, "reduction": 2}])
def test_it_is_the_papers_formula(shape, options):
    module = drawn(GAM(8, kernel_size=3, dims=len(shape) - 2, **options))
    x = features(*shape) / 4
    expected = formula(x.numpy(), arrays(module), options.get("groups", 1), "score" in options)
    assert_equal(module(x), expected, rtol=1e-10)


def test_in_training_it_normalises_by_the_batch():
    module, x = drawn(GAM(8, kernel_size=3)).train(), features(4, 8, 5, 3)
    assert_equal(module(x), formula(x.numpy(), arrays(module), statistics=batch_statistics), rtol=1e-9)


@pytest.mark.parametrize(("score", "first"), [("sigmoid", 0.75), ("linear", math.log(3))])
def test_a_case_computed_by_hand(score, first):
    module = GAM(1, score=score).eval()
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.expand.bias.fill_(math.log(3))
        module.around.expand_norm.bias.fill_(math.log(3))
    # Both scores are log 3 everywhere, so the second map is 3/4, and the first too where it is a sigmoid.
    y = module(torch.tensor([[[[4.0, -8.0]]]]))
    assert y.flatten().tolist() == pytest.approx([3 * first, -6 * first])


def test_counts_and_order():
    # Two layers of 64 x 16 with biases, two convolutions of 64 x 16 x 49 with biases, norms of 16 and 64.
    expected = 2 * 64 * 16 + 80 + 2 * 64 * 16 * 49 + 80 + 2 * 80
    assert count(GAM(64)) == GAM.count(64) == expected
    assert count(GAM(64, groups=4)) == GAM.count(64, groups=4) == expected - 2 * 64 * 16 * 49 * 3 // 4
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names(GAM(8))))
    parts = ("reduce", "reduce_norm", "expand", "expand_norm")
    assert layers == ["reduce", "expand", *(f"around.{part}" for part in parts)]


def test_the_first_maps_range_follows_the_score():
    module, seen = drawn(GAM(8, score="linear")), []
    module.own.sink = seen.append
    module(features(2, 8, 3, 4))
    assert seen[0].min() < 0
    assert seen[0].max() > 1
    assert (module.own.low, module.own.high) == (-math.inf, math.inf)
    assert (GAM(8).own.low, GAM(8).own.high) == (0.0, 1.0)


def test_both_maps_weigh_every_value():
    module, x, seen = drawn(GAM(8)), features(2, 8, 3, 4), []
    for tap in taps(module).values():
        tap.sink = seen.append
    y = module(x)
    assert [values.shape for values in seen] == [x.shape, x.shape]
    torch.testing.assert_close(y, x * seen[0] * seen[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"score": "softmax"}, "gam: score='softmax' is not allowed; choose one of 'sigmoid', 'linear'"),
        ({"groups": None}, "gam: groups=None is not allowed; it must be an integer of at least 1"),
        ({"groups": 4}, r"gam: groups=4 is not allowed; it must divide the channels, 8 and 2 \(try 2\)"),
        ({"kernel_size": 2}, "gam: kernel_size=2 is not allowed; it must be odd"),
        ({"reduction": 0}, "gam: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"dims": 4}, "gam: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"strict": 0}, "gam: strict=0 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        GAM(8, **options)


def test_a_single_value_warns_or_is_refused():
    with pytest.warns(UserWarning, match="one value per channel"):
        GAM(8)(torch.randn(1, 8, 1, 1))
    with pytest.raises(ShapeError, match="batches of two or more"):
        GAM(8, strict=True)(torch.randn(1, 8, 1, 1))
