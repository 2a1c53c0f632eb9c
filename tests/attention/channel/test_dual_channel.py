import numpy as np
import pytest
import torch
from pytorchcv.models.danet import ChaAttBlock

from regard.attention import export_weights
from regard.attention.channel.dual_channel import DualChannel
from regard.core import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import softmax
from tests.attention.twins import assert_twins


def formula(x, p, energy):
    """Equations 3 and 4 of the paper, in a loop over images and channels; the authors' energy with its maximum."""
    y = np.empty_like(x)
    for b, image in enumerate(x):
        for j, channel in enumerate(image):
            products = np.array([(channel * other).sum() for other in image])
            shares = softmax(products.max() - products if energy == "difference" else products, 0)
            y[b, j] = channel + p["gamma"] * sum(s * other for s, other in zip(shares, image, strict=True))
    return y


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 6, 5), (1, 6, 2, 3, 2), (1, 6, 1, 1), (1, 1, 3, 3)])
@pytest.mark.parametrize("energy", ["difference", "product"])
def test_it_is_the_published_formula(shape, energy):
    module, x = drawn(DualChannel(shape[1], energy=energy)), 0.5 * features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), energy))


def test_a_case_computed_by_hand():
    module = DualChannel(2)
    torch.nn.init.constant_(module.gamma, 4.0)
    # Products 0 and 0 for the first channel, 0 and log 3 for the second: shares 1/2, 1/2 and 3/4, 1/4.
    a = np.log(3) ** 0.5
    y = module(torch.tensor([[[0.0, 0.0], [a, 0.0]]]))
    assert y.flatten().tolist() == pytest.approx([2 * a, 0.0, a + a, 0.0])


def test_pytorchcv_agrees():
    assert_twins(DualChannel(16), ChaAttBlock(), "pytorchcv", 0.3 * features(2, 16, 5, 3))


def test_two_channels_see_how_alike_they_are():
    module, x = drawn(DualChannel(2)), 0.1 * features(1, 2, 3, 3)
    assert not torch.allclose(module(2 * x), 2 * module(x), rtol=1e-4)


def test_its_one_parameter_has_the_authors_name():
    assert count(DualChannel(64)) == 1
    assert export_weights(DualChannel(64), "official")["gamma"].tolist() == [0.0]
    assert DualChannel(64, start="identity").gamma.item() == 1


def test_the_channel_map_is_the_one_applied():
    module, x, seen = drawn(DualChannel(4)), 0.3 * features(2, 4, 3, 3), []
    module.map.sink = seen.append
    module(x)
    assert seen[0].shape == (2, 1, 4, 4)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 1, 4).double())
    module.map.replace = module.map.nothing
    torch.testing.assert_close(module(x), x + module.gamma * x.mean(1, keepdim=True))


def test_a_wrong_option_is_said():
    with pytest.raises(OptionError, match="dual_channel: energy='max' is not allowed; choose one of 'difference'"):
        DualChannel(8, energy="max")
