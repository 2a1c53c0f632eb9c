"""Attention that foreign networks have already gets taps, and loses them again."""

import copy

import pytest
import timm
import torch
from timm.layers import create_attn
from torch import nn
from torchvision import models

import regard
from regard.core import Spec, SurgeryError
from regard.core.batch import ImageBatch
from regard.explanation import ablate, look
from tests.surgery.networks import anatomy, images, same_anatomy, small_resnet


def inside(name, **options):
    """A convolution and timm's attention."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3), create_attn(name, 16, **options)).eval()


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("se", [(2, 16, 1, 1)]),
        ("ese", [(2, 16, 1, 1)]),
        ("eca", [(2, 16, 1, 1)]),
        ("ceca", [(2, 16, 1, 1)]),
        ("cbam", [(2, 16, 1, 1), (2, 1, 30, 30)]),
    ],
)
def test_the_map_is_what_is_applied(name, shapes):
    net, x = inside(name), images(32)
    before, whole = net(x), anatomy(net)
    with regard.attentions(net):
        with regard.observe(net) as maps:
            assert torch.equal(net(x), before)
        seen = [maps.one(path).values for path in maps]
        assert [tuple(values.shape) for values in seen] == shapes
        y = net[0](x)
        for values in seen:
            y = y * values
        torch.testing.assert_close(y, before)
    assert same_anatomy(whole, anatomy(net))


@pytest.mark.parametrize("name", ["se", "eca", "cbam"])
def test_a_neutral_map_takes_the_attention_away(name):
    net, x = inside(name), images(32)
    with regard.attentions(net) as handle:
        for module in handle.modules.values():
            module.replace = module.nothing
        torch.testing.assert_close(net(x), net[0](x))


def test_it_is_found_in_trained_architectures_of_torchvision():
    torch.manual_seed(0)
    net, x = models.mobilenet_v3_small(weights=None).eval(), images(64, batch=1)
    before = net(x)
    with regard.attentions(net) as handle:
        assert len(handle.modules) == 9
        looks = look(net, x)
        assert torch.equal(looks.answers, before)
        path, active = next(iter(looks.active.items()))
        gated = net.get_submodule(path.removesuffix(".scale_activation.attention"))
        assert active.features.shape[2:] == (16, 16), f"the features that {gated} returns, not its gate"


@pytest.mark.parametrize(("name", "count"), [("seresnet18", 8), ("ecaresnet26t", 8)])
def test_it_is_found_in_networks_of_timm(name, count):
    net, x = timm.create_model(name).eval(), images(64, batch=1)
    before = net(x)
    with regard.attentions(net) as handle, regard.observe(net) as maps:
        assert torch.equal(net(x), before)
        assert len(handle.modules) == len(maps) == count


@pytest.mark.parametrize("name", ["cbam", "seresnet18", "mobilenet_v3_small"])
def test_it_is_explained_and_ablated(name, tmp_path):
    torch.manual_seed(0)
    if name == "cbam":
        net = nn.Sequential(*inside("cbam"), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2)).eval()
    else:
        library = models.get_model if name.startswith("mobile") else timm.create_model
        net = library(name, num_classes=2).eval()
    before = net(images(32))
    with regard.attentions(net) as handle:
        explanation = regard.explain(net, torch.rand(3, 32, 32))
        assert set(explanation.maps) == {f"{path}.attention" for path in handle.modules}
        if name == "cbam":
            assert (explanation.save(tmp_path / "maps") / "summary.png").is_file()
        batches = [ImageBatch(images(32), torch.tensor([0, 1]), torch.tensor([0, 1]))]
        found = ablate(net, batches, batches, draws=1, renormalise=False)
        assert {path for path, _ in found.taps} == set(explanation.maps)
        assert {row.mode for row in found.rows} > {"mean", "neutral"}
    assert torch.equal(net(images(32)), before)


def test_taps_follow_a_copy():
    net, x = inside("se"), images(32)
    regard.attentions(net)
    other = copy.deepcopy(net)
    with regard.observe(other) as maps:
        other(x)
    assert maps.one("1.gate.attention").values.shape == (2, 16, 1, 1)


def test_nothing_found_says_what_is_known():
    with pytest.raises(SurgeryError, match="none of the attention that is known: timm's SEModule"):
        regard.attentions(small_resnet())


def test_a_module_of_ours_needs_none():
    net = nn.Sequential(regard.create(Spec("se"), channels=4))
    with pytest.raises(SurgeryError):
        regard.attentions(net)
