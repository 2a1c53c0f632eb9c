"""The Inception network: its modules by their definition, Caffe's poolings, and the images that it takes."""

import pytest
import torch
from torch.nn import functional

from regard import models
from regard.core import OptionError, ShapeError, Spec
from regard.models.inception import (
    ONE_POSITION,
    SMALLEST,
    Branches,
    Inception,
    InceptionLayout,
    InceptionModule,
    RightPool,
)
from tests.models.test_exchange import randomise

LAYOUT = InceptionLayout(
    (
        (Branches(4, (4, 8), (4, 6), 4), Branches(0, (4, 8), (4, 6), 0)),
        (Branches(4, (4, 8), (4, 6), 4), Branches(0, (4, 8), (4, 6), 0)),
        (Branches(8, (4, 8), (4, 6), 4, "max"),),
    ),
    Spec("se", {"reduction": 4}),
    stem=(4, 4, 8),
)


@pytest.mark.parametrize("branches", [Branches(4, (4, 8), (4, 6), 4), Branches(0, (4, 8), (4, 6), 0)])
def test_a_module_is_its_branches_side_by_side(branches):
    """The branches in the order of the authors' file, from tensors by name; then squeeze-and-excitation."""
    module = randomise(InceptionModule(6, branches, Spec("se", {"reduction": 4})))
    state, x, stride = module.state_dict(), torch.randn(2, 6, 8, 12, dtype=torch.float64), branches.stride

    def unit(path, x, padding=0, stride=1):
        y = functional.conv2d(x, state[f"{path}.conv.weight"], None, stride, padding)
        kinds = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(y, *(state[f"{path}.norm.{kind}"] for kind in kinds)).relu()

    parts = [unit("single", x)] if branches.single else []
    parts.append(unit("three.1", unit("three.0", x), 1, stride))
    parts.append(unit("twice.2", unit("twice.1", unit("twice.0", x), 1), 1, stride))
    if branches.single:
        parts.append(unit("projection", functional.avg_pool2d(x, 3, 1, 1)))
    else:
        parts.append(functional.max_pool2d(x, 3, 2, ceil_mode=True))
    y = torch.cat(parts, 1)
    hidden = functional.linear(y.mean((2, 3)), state["attention.reduce.weight"], state["attention.reduce.bias"]).relu()
    logits = functional.linear(hidden, state["attention.expand.weight"], state["attention.expand.bias"])
    with torch.no_grad():
        torch.testing.assert_close(module(x), y * logits.sigmoid()[:, :, None, None], rtol=1e-12, atol=1e-12)
    assert y.shape[1] == branches.outputs(6)


@pytest.mark.parametrize(("border", "size"), [(1, 4), (1, 7), (1, 28), (2, 4), (2, 28)])
def test_half_the_size_is_pooled_as_in_caffe(border, size):
    x = torch.randn(1, 2, size, size)
    assert torch.equal(RightPool(border)(x), functional.max_pool2d(x, 3, 2, ceil_mode=True))


def test_an_odd_size_is_rounded_up():
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert RightPool(2)(x)[0, 0].tolist() == [[12, 14, 14], [22, 24, 24], [22, 24, 24]]


@pytest.mark.parametrize("size", [(SMALLEST, SMALLEST), (32, 32), (40, 40), (65, 47)])
def test_images_of_any_size(size):
    net = Inception("net", LAYOUT, num_classes=3, in_channels=2).eval()
    y = net(torch.randn(2, 2, *size))
    assert y.shape == (2, 3)
    assert y.isfinite().all()


def test_images_that_are_too_small():
    net = Inception("net", LAYOUT, num_classes=3)
    with pytest.raises(ShapeError, match=r"net: an image of 6x32 is too small.*at least 7x7"):
        net.eval()(torch.zeros(2, 3, SMALLEST - 1, 32))
    with pytest.raises(ShapeError, match="a single image of 38x38 leaves one position"):
        net.train()(torch.zeros(1, 3, ONE_POSITION, ONE_POSITION))
    net(torch.randn(1, 3, ONE_POSITION + 1, SMALLEST)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_its_layout_names_blocks_and_widths():
    layout = models.PUBLISHED["se_bn_inception"].layout
    assert (layout.blocks, layout.widths) == ((3, 5, 2), (576, 1056, 1024))
    sites = models.describe(models.outline("se_bn_inception")).sites
    assert [site.channels for site in sites] == [256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024]
    with pytest.raises(OptionError, match=r"'se_bn_inception' already names its attention, 'se'"):
        models.create("se_bn_inception", attention="cbam")
