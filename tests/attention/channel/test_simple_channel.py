import pytest
import torch
from torch import nn

from regard.attention.channel.simple_channel import SimpleChannel
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, over_positions, positions_mean
from tests.attention.twins import assert_twins


class Multiplied(nn.Module):
    """x times what the two layers of the authors' block make of it."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.state_dict, self.load_state_dict = self.layers.state_dict, self.layers.load_state_dict

    def forward(self, x):
        return x * self.layers(x)


def formula(x, p):
    """Equation 6 of the paper."""
    return x * over_positions(affine(p["score.weight"], positions_mean(x), p.get("score.bias", 0)), x)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_papers_formula(shape, bias):
    module, x = drawn(SimpleChannel(6, bias=bias)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = SimpleChannel(2)
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        module.score.bias.copy_(torch.tensor([0.5, 0.0]))
    # The means are 1 and 3, so the gates are 7.5 and -3.
    y = module(torch.tensor([[[0.0, 2.0], [3.0, 3.0]]]))
    assert y.flatten().tolist() == [0.0, 15.0, -9.0, -9.0]


def test_the_layers_of_the_authors_block_agree():
    assert_twins(SimpleChannel(6), Multiplied(6), "official", features(2, 6, 5, 3))


def test_counts_and_order():
    assert (count(SimpleChannel(64)), count(SimpleChannel(64, bias=False))) == (64 * 65, 64 * 64)
    assert names(SimpleChannel(8)) == ["score.weight", "score.bias"]


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="simple_channel: bias=2 is not allowed; it must be True or False"):
        SimpleChannel(8, bias=2)
