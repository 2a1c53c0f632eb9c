"""A network that sees an image patch by patch gives what its parts give, whatever the memory it is given."""

import copy
import math

import pytest
import torch
from torch import nn

from regard import models
from regard.core import OptionError, ShapeError
from regard.explanation import observe
from regard.models.bag import BagOfPatches, image_taps


def bag(patch=16, stride=None, attention=None, seed=0, **options):
    net = models.create("resnet8", num_classes=5, in_channels=1, attention=attention, width=0.25, seed=seed)
    made = BagOfPatches(net, num_classes=5, in_channels=1, patch=patch, stride=stride, **options)
    models.initialise(nn.ModuleDict({"pool": made.pool, "fc": made.fc}), seed)
    return made


def images(*size, n=2):
    return torch.randn(n, 1, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("size", "stride"), [((40, 64), 16), ((33, 17), 8), ((5, 7), 16), ((16, 16), 16), ((50, 20), 7)]
)
def test_every_patch_is_seen_alone_and_pooled(size, stride):
    module, x = bag(stride=stride).eval(), images(*size)
    rows, columns = (1 + max(0, math.ceil((n - 16) / stride)) for n in size)
    features = torch.zeros(2, module.fc.in_features, rows, columns)
    filled = torch.zeros(2, 1, 16 + (rows - 1) * stride, 16 + (columns - 1) * stride)
    filled[..., : size[0], : size[1]] = x
    for row in range(rows):
        for column in range(columns):
            down, right = row * stride, column * stride
            features[:, :, row, column] = module.net(filled[..., down : down + 16, right : right + 16])
    assert module.grid(*size) == (rows, columns)
    torch.testing.assert_close(module(x), module.fc(module.pool(features)), rtol=1e-5, atol=1e-6)


def test_the_parts_that_run_together_do_not_matter():
    module, x = bag(stride=8).eval(), images(40, 56)
    whole = module(x)
    for at_once in (1, 7, 30):
        module.at_once = at_once
        torch.testing.assert_close(module(x), whole, rtol=1e-5, atol=1e-6)


def test_a_map_of_the_patches_is_observed():
    module = bag().eval()
    with observe(module) as maps:
        module(images(40, 64))
    seen = maps.one("pool.spatial")
    assert seen.values.shape == (2, 1, 3, 4)
    torch.testing.assert_close(seen.values.sum((2, 3)), torch.ones(2, 1))
    assert seen.neutral == pytest.approx(1 / 12)


@pytest.mark.parametrize("stride", [16, 8, 5])
def test_an_image_in_a_padded_batch_is_unaffected(stride):
    module, x = bag(stride=stride).eval(), images(40, 24, n=4)
    sizes = torch.tensor([[40, 24], [30, 17], [9, 5], [16, 16]])
    alone = torch.cat([module(x[i : i + 1, :, :h, :w]) for i, (h, w) in enumerate(sizes.tolist())])
    filled = torch.zeros(4, 1, 48, 64)
    for i, (h, w) in enumerate(sizes.tolist()):
        filled[i, :, :h, :w] = x[i, :, :h, :w]
    with observe(module) as maps:
        torch.testing.assert_close(module(filled, sizes), alone, rtol=1e-5, atol=1e-6)
    there = maps.one("pool.spatial").values > 0
    assert there.sum((1, 2, 3)).tolist() == [math.prod(module.grid(h, w)) for h, w in sizes.tolist()]


def test_patches_beyond_an_image_have_no_effect():
    module, x = bag().eval(), images(32, 48)
    filled = torch.full((2, 1, 64, 80), torch.nan)
    filled[..., :32, :48] = x
    sizes = torch.tensor([[32, 48]] * 2)
    torch.testing.assert_close(module(filled, sizes), module(x), rtol=1e-5, atol=1e-6)


def test_a_batch_without_patches_has_zero_features():
    module = bag().eval()
    y = module(images(32, 32), torch.zeros(2, 2, dtype=torch.int64))
    torch.testing.assert_close(y, module.fc.bias.expand(2, -1))


@pytest.mark.parametrize("at_once", [256, 5])
def test_recomputing_gives_the_same_gradients_and_statistics(at_once):
    kept, again = (bag(attention="cbam", at_once=at_once, recompute=recompute).train() for recompute in (False, True))
    x = images(40, 64, n=3)
    for module in (kept, again):
        module(x).square().sum().backward()
    other = dict(again.named_parameters())
    for name, parameter in kept.named_parameters():
        torch.testing.assert_close(other[name].grad, parameter.grad, rtol=1e-5, atol=1e-7)
    for name, values in kept.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name


def test_recomputing_keeps_less():
    def held(recompute):
        module, sizes = bag(recompute=recompute, at_once=8).train(), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            module(images(96, 96))
        return sum(sizes)

    assert held(True) < held(False) / 4


def test_created_by_name_with_the_plain_networks_values():
    plain = models.create("resnet8", num_classes=5, in_channels=1, seed=3)
    made = models.create("resnet8", num_classes=5, in_channels=1, seed=3, patch=16, patch_stride=8)
    own = made.state_dict()
    for name, values in made.adopt(plain.state_dict()).items():
        assert torch.equal(own[name], values), name
    again = models.create("resnet8", num_classes=5, in_channels=1, seed=3, patch=16, patch_stride=8)
    assert all(torch.equal(values, own[name]) for name, values in again.state_dict().items())
    assert (made.stride, made.name) == (8, "resnet8 in patches of 16")
    assert [site.path for site in models.describe(made).sites] == ["pool"]


@pytest.mark.parametrize("name", ["timm:resnet10t", "torchvision:mobilenet_v3_small", "timm:vit_tiny_patch16_224"])
def test_networks_of_other_libraries_see_patches_too(name):
    size = 224 if "vit" in name else 64
    made = models.create(name, num_classes=4, seed=0, patch=size).eval()
    with torch.no_grad():
        assert made(torch.randn(1, 3, size, 2 * size)).shape == (1, 4)
    assert made.fc.out_features == 4


def test_states_of_plain_network_or_bag_are_adopted():
    plain = models.create("se_resnet8", num_classes=5, in_channels=1, width=0.25)
    module = bag(attention="se")
    state = module.adopt(plain.state_dict())
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.startswith("pool.") for name in missing)
    assert module.adopt(module.state_dict()).keys() == module.state_dict().keys()


def test_only_maps_of_whole_images_are_named():
    assert image_taps(bag(attention="se")) == ("pool.spatial",)
    assert image_taps(models.create("se_resnet8")) is None


def test_copies_train_in_bounded_memory():
    module = copy.deepcopy(bag())
    x = images(48, 48, n=4)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    labels = torch.tensor([0, 1, 2, 3])
    first = nn.functional.cross_entropy(module(x), labels)
    for _ in range(8):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(module(x), labels)
        loss.backward()
        optimiser.step()
    assert loss < first
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"patch": 0}, "bag: patch=0 is not allowed; it must be an integer of at least 1"),
        ({"stride": 17}, "stride=17 is not allowed with patch=16, because it would leave pixels"),
        ({"stride": 0}, "bag: stride=0 is not allowed"),
        ({"at_once": 0}, "bag: at_once=0 is not allowed"),
        ({"recompute": 1}, "bag: recompute=1 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        bag(**options)


def test_options_of_patches_need_a_patch():
    for options in ({"patch_stride": 8}, {"recompute": True}):
        with pytest.raises(OptionError, match="is not allowed without patch="):
            models.create("resnet8", **options)


def test_a_network_without_a_linear_classifier_is_refused():
    for net in (nn.Sequential(nn.Conv2d(1, 5, 3)), nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), nn.Linear(4, 5)):
        with pytest.raises(OptionError, match="cannot be applied to patches: its classifier must be a linear layer"):
            BagOfPatches(net, num_classes=5, in_channels=1, patch=4)


def test_wrong_images_and_sizes_are_said():
    module = bag()
    for x in (torch.zeros(2, 3, 8, 8), torch.zeros(1, 8, 8), torch.zeros(2, 1, 8, 8).int(), torch.zeros(2, 1, 0, 8)):
        with pytest.raises(ShapeError, match=r"the network takes floating-point images \(b, 1, h, w\)"):
            module(x)
    for sizes in (torch.zeros(3, 2).int(), torch.zeros(2, 2)):
        with pytest.raises(ShapeError, match="sizes has shape"):
            module(images(16, 16), sizes)
