import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.mil_pool import MILPool
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import sigmoid


def formula(x, p, there=None):
    """Equations 7 to 9 of the paper, instance by instance, with the biases of the authors' code."""
    y = np.zeros(x.shape[:2])
    for b, bag in enumerate(x.reshape(*x.shape[:2], -1)):
        scores = {}
        for i in range(bag.shape[1]):
            if there is not None and not there[b].ravel()[i]:
                continue
            hidden = np.tanh(p["value.weight"] @ bag[:, i] + p["value.bias"])
            if "gate.weight" in p:
                hidden = hidden * sigmoid(p["gate.weight"] @ bag[:, i] + p["gate.bias"])
            scores[i] = math.exp((p["score.weight"] @ hidden + p["score.bias"]).item())
        for i, score in scores.items():
            y[b] += score / sum(scores.values()) * bag[:, i]
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("gated", [True, False])
def test_it_is_the_papers_formula(shape, gated):
    module, x = drawn(MILPool(6, hidden=4, gated=gated)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


@pytest.mark.parametrize("shape", [(4, 6, 7, 5), (4, 6, 9), (4, 6, 3, 5, 2)])
def test_what_is_not_there_does_not_count(shape):
    module, x = drawn(MILPool(6, hidden=4)), features(*shape)
    mask = features(4, *shape[2:], seed=5) > 0
    assert_equal(module(x, mask), formula(x.numpy(), arrays(module), mask.numpy()))


def test_a_case_computed_by_hand():
    module = MILPool(1, hidden=1, gated=False)
    with torch.no_grad():
        module.value.weight.fill_(1.0)
        module.value.bias.zero_()
        module.score.weight.fill_(2 * math.log(3))
        module.score.bias.zero_()
    # The hidden values are tanh(artanh(1/2)) = 1/2 and 0, the scores log 3 and 0, the shares 3/4 and 1/4.
    instance = math.atanh(0.5)
    assert module(torch.tensor([[[instance, 0.0]]])).item() == pytest.approx(0.75 * instance)


@pytest.mark.parametrize("filling", [0.0, 1e6, math.nan, math.inf])
def test_filling_up_never_changes_a_result(filling):
    module, x, seen = drawn(MILPool(6)), features(2, 6, 5), []
    alone = module(x)
    filled = torch.full((2, 6, 9), filling, dtype=x.dtype)
    filled[..., :5] = x
    mask = torch.arange(9).expand(2, 9) < 5
    module.spatial.sink = seen.append
    torch.testing.assert_close(module(filled, mask), alone, rtol=1e-12, atol=1e-12)
    assert not seen[0][..., 5:].any()
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 1, dtype=x.dtype))


def test_an_empty_bag_gives_zeros_and_finite_gradients():
    module, x = drawn(MILPool(6)), features(2, 6, 5).requires_grad_()
    mask = torch.tensor([[True] * 5, [False] * 5])
    y = module(x, mask)
    assert not y[1].any()
    torch.testing.assert_close(y[0], module(x)[0], rtol=1e-12, atol=1e-12)
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert not x.grad[1].any()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_a_mask_of_everything_is_no_mask():
    module, x = drawn(MILPool(6)), features(2, 6, 5, 4)
    mask = torch.ones(2, 5, 4, dtype=torch.bool)
    torch.testing.assert_close(module(x, mask), module(x), rtol=1e-12, atol=1e-12)


def test_scores_may_exceed_the_range_of_exp():
    module, x = drawn(MILPool(3)).float(), features(2, 3, 6).float()
    with torch.no_grad():
        module.score.weight.mul_(1e4)
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    assert module(x, mask).isfinite().all()


def test_the_order_of_the_instances_does_not_matter():
    module, x = drawn(MILPool(6)), features(2, 6, 7)
    torch.testing.assert_close(module(x.flip(2)), module(x), rtol=1e-12, atol=1e-12)


def test_a_filled_bag_is_exported_with_any_size():
    module = MILPool(6).eval()
    inputs = torch.randn(2, 6, 5), torch.ones(2, 5, dtype=torch.bool)
    any_size = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        module, inputs, dynamic_shapes=({0: any_size, 2: any_size}, {0: any_size, 1: any_size})
    )
    x, mask = torch.randn(3, 6, 8), torch.rand(3, 8) > 0.5
    torch.testing.assert_close(program.module()(x, mask), module(x, mask))


def test_the_authors_layers_agree():
    module, x = drawn(MILPool(10, hidden=4)), features(1, 10, 7)
    p = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in p.items()} == {
        **{"attention_V.0.weight": (4, 10), "attention_V.0.bias": (4,), "attention_U.0.weight": (4, 10)},
        **{"attention_U.0.bias": (4,), "attention_w.weight": (1, 4), "attention_w.bias": (1,)},
    }
    linear, bag = torch.nn.functional.linear, x[0].T
    value = linear(bag, p["attention_V.0.weight"], p["attention_V.0.bias"]).tanh()
    gate = linear(bag, p["attention_U.0.weight"], p["attention_U.0.bias"]).sigmoid()
    shares = linear(value * gate, p["attention_w.weight"], p["attention_w.bias"]).T.softmax(1)
    torch.testing.assert_close(module(x), shares @ bag, rtol=1e-11, atol=1e-12)
    other = drawn(MILPool(10, hidden=4), seed=7)
    import_weights(other, p, "official")
    assert torch.equal(other(x), module(x))


def test_counts_by_hand():
    assert count(MILPool(500)) == 2 * (500 * 128 + 128) + 129
    assert count(MILPool(500, gated=False)) == 500 * 128 + 128 + 129


@pytest.mark.parametrize(
    "mask",
    [
        torch.ones(2, 5),
        torch.ones(2, 4, dtype=torch.bool),
        torch.ones(2, 1, 5, dtype=torch.bool),
        torch.ones(2, 5).int(),
    ],
)
def test_a_mask_that_does_not_fit_is_said(mask):
    with pytest.raises(ShapeError, match=r"mil_pool: mask has shape .* without the channels, True where"):
        MILPool(6)(torch.randn(2, 6, 5), mask)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": 0}, "mil_pool: hidden=0 is not allowed; it must be an integer of at least 1"),
        ({"gated": "no"}, "mil_pool: gated='no' is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        MILPool(8, **options)
