import pytest
import torch
from torch import nn

from regard import cost, models
from regard.core import OptionError, ShapeError
from regard.models.cnn import CNN


def test_parameters_and_multiply_adds_by_hand():
    net = CNN(num_classes=5, in_channels=3, width=4, stages=2)
    assert cost.parameters(net) == 9 * 3 * 4 + 2 * 4 + 9 * 4 * 8 + 2 * 8 + 8 * 5 + 5
    assert cost.macs(net, torch.zeros(1, 3, 9, 6)) == 9 * 3 * 4 * 54 + 9 * 4 * 8 * 15 + 8 * 5


@pytest.mark.parametrize("size", [(1, 1), (7, 11), (60, 60)])
@pytest.mark.parametrize("attention", [None, "stn:hidden=2"])
def test_any_image_has_an_answer(size, attention):
    net = CNN(num_classes=5, in_channels=2, width=2, attention=attention)
    assert net(torch.randn(2, 2, *size)).shape == (2, 5)
    assert net.eval()(torch.randn(1, 2, *size)).shape == (1, 5)


def test_an_untrained_transformer_changes_nothing():
    plain, warped = (
        models.create("cnn:width=3", num_classes=4, in_channels=1, seed=1, attention=attention).eval()
        for attention in (None, "stn:hidden=2")
    )
    images = torch.randn(2, 1, 20, 14)
    torch.testing.assert_close(warped(images), plain(images), rtol=1e-4, atol=1e-5)


def test_it_is_created_by_name():
    net = models.create("cnn:width=3,stages=2", num_classes=4, in_channels=1, seed=1)
    again = models.create("cnn:width=3,stages=2", num_classes=4, in_channels=1, seed=1)
    assert [module.out_channels for module in net.modules() if isinstance(module, nn.Conv2d)] == [3, 6]
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    assert "cnn" in models.names()
    assert not models.is_looker("cnn:width=3")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("cnn:width=0", {}, "cnn: width=0 is not allowed"),
        ("cnn:stages=0", {}, "cnn: stages=0 is not allowed"),
        ("cnn:wide=8", {}, "There is no option of 'cnn' named 'wide'. Did you mean 'width'"),
        ("cnn:attention=stn", {}, "There is no option of 'cnn' named 'attention'"),
        ("cnn", {"attention": "se"}, "cnn: attention='se' is not allowed, because se does not resample"),
        ("cnn", {"attention": "glimpse"}, "glimpse does not resample features"),
        ("cnn", {"width": 2.0}, "cnn: width=2.0 is not allowed"),
        ("cnn", {"patch": 16}, "cnn: patch=16 is not allowed"),
    ],
)
def test_a_wrong_option_is_refused(name, options, says):
    with pytest.raises(OptionError, match=says):
        models.create(name, num_classes=3, **options)


def test_wrong_images_are_refused():
    net = CNN(in_channels=1)
    with pytest.raises(ShapeError, match=r"cnn: the images have shape \(2, 3, 9, 9\)"):
        net(torch.zeros(2, 3, 9, 9))
    with pytest.raises(ShapeError, match="a single image of 8x5 leaves one position"):
        net(torch.zeros(1, 1, 8, 5))
