import math

import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.sse import SSE
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, sigmoid


def formula(x, p):
    """Equation 3 of the paper: a 1x1 convolution to one channel, with the bias of the authors' code."""
    weight = p["score.weight"].reshape(1, x.shape[1], *(1,) * (x.ndim - 2))
    return x * sigmoid(convolve(x, weight, p.get("score.bias")))


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module, x = drawn(SSE(6, bias=bias)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_channels_last_features_give_the_same():
    module, x = drawn(SSE(6)), features(2, 6, 7, 5)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), module(x), rtol=1e-12, atol=1e-12)


def test_a_case_computed_by_hand():
    module = SSE(2)
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([[[1.0], [-1.0]]]) * math.log(3))
        module.score.bias.fill_(0.0)
    # The logits are log 3 * (2 - 1) and log 3 * (1 - 1).
    y = module(torch.tensor([[[2.0, 1.0], [1.0, 1.0]]]))
    assert y.flatten().tolist() == pytest.approx([1.5, 0.5, 0.75, 0.5])


def test_counts_and_order():
    assert (count(SSE(64)), count(SSE(64, bias=False))) == (65, 64)
    assert names(SSE(8)) == ["score.weight", "score.bias"]


def test_one_module_serves_any_number_of_axes():
    module, x = drawn(SSE(6)), features(2, 6, 3, 4, 5)
    torch.testing.assert_close(module(x).flatten(2), module(x.flatten(2)), rtol=1e-12, atol=1e-12)


def test_the_authors_weights_round_trip():
    module, other, x = drawn(SSE(6)), SSE(6).double(), features(2, 6, 3, 4)
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == {
        "conv.weight": (1, 6, 1, 1),
        "conv.bias": (1,),
    }
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="sse: bias=2 is not allowed; it must be True or False"):
        SSE(8, bias=2)
