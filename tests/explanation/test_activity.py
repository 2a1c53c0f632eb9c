import pytest
import torch
from torch import nn

from regard.attention import CATALOGUE, create
from regard.core import Tap, taps
from regard.explanation import look
from regard.explanation.observation import observe
from regard.models import create_clip_network
from tests.explanation.nets import CLASSES, Shared, classifier


def active_channels(net, images, **options):
    return look(net, images, **options).active


def images(n=3):
    return torch.randn(n, CLASSES, 6, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mechanism", ["se", "cbam_channel", "eca"])
def test_largest_weights_come_first_with_rescaled_features(mechanism):
    net = classifier(mechanism)
    found = active_channels(net, images(), k=3)["3.gate"]
    with observe(net) as maps:
        features = net[:4](images())
    weights = maps.one("3.gate").channels()
    for image in range(3):
        order = sorted(range(8), key=lambda c: -weights[image, c].item())[:3]
        assert found.channels[image].tolist() == order
        torch.testing.assert_close(found.weights[image], weights[image, order])
        torch.testing.assert_close(found.features[image], features[image, order])
    assert found.branches is None


def test_part_of_composed_mechanism_gives_its_output():
    net = classifier("cbam")
    ((path, found),) = active_channels(net, images(), k=2).items()
    assert path == "3.channel.gate"
    half = net[3].channel(net[:3](images()))
    torch.testing.assert_close(found.features[0], half[0, found.channels[0]])


def test_uncalled_part_gives_the_enclosing_output():
    net = classifier("scse")
    ((path, found),) = active_channels(net, images(), k=2).items()
    assert path == "3.channel.gate"
    torch.testing.assert_close(found.features[0], net[:4](images())[0, found.channels[0]])


def test_branches_are_named():
    net = classifier("sk")
    ((path, found),) = active_channels(net, images(), k=8).items()
    with observe(net) as maps:
        net(images())
    shares = maps.one(path).values.flatten(2)
    for weight, branch, channel in zip(found.weights[1], found.branches[1], found.channels[1], strict=True):
        assert shares[1, branch, channel] == weight == shares[1, :, channel].max()


@pytest.mark.parametrize("mechanism", [m.facts.name for m in CATALOGUE])
def test_every_channel_mechanism_is_found_and_restored(mechanism):
    net = classifier(mechanism).train()
    buffers = [b.clone() for b in net.buffers()]
    found = active_channels(net, images(), k=100)
    with observe(net.eval()) as maps:
        net(images())
    wanted = [path for path, (map, *_) in maps.items() if map.channels() is not None or map.branches() is not None]
    assert list(found) == wanted
    shown = [f for f in found.values() if f.features is not None]
    assert all(f.features.shape == (3, f.channels.shape[1], 6, 5) for f in shown)
    assert found or not {tap.kind.name for tap in taps(net).values()} & {"gate", "mixed"}
    net.train()
    assert all(m.training and not m._forward_hooks for m in net.modules())
    assert all(map(torch.equal, buffers, net.buffers()))


def test_every_step_of_a_shared_module_is_found():
    gate = create("se", channels=CLASSES)
    found = active_channels(nn.Sequential(gate, nn.Tanh(), gate), images(), k=2)
    assert list(found) == ["0.gate", "0.gate#2"]
    first = gate(images())
    for name, features in (("0.gate", first), ("0.gate#2", gate(first.tanh()))):
        assert found[name].path == "0.gate"
        torch.testing.assert_close(found[name].features[0], features[0, found[name].channels[0]])


def test_steps_within_one_call_have_no_features():
    found = active_channels(nn.Sequential(Shared("se"), nn.Identity()), images())
    assert found["0.attention.gate#2"].features is not None

    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.tap = Tap("gate")

        def forward(self, x):
            gate = torch.sigmoid(x.mean((2, 3), keepdim=True))
            return x * self.tap(gate) * self.tap(1 - gate)

    assert all(one.features is None for one in active_channels(nn.Sequential(Inside()), images()).values())


def test_a_compiled_network_gives_the_same():
    net = classifier("cbam")
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    compiled(images())
    one, other = active_channels(net, images())["3.channel.gate"], active_channels(compiled, images())["3.channel.gate"]
    assert torch.equal(one.features, other.features)


def test_tap_without_enclosing_module_has_no_features():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.tap = Tap("gate")

        def forward(self, x):
            return (x * self.tap(torch.sigmoid(x.mean((2, 3), keepdim=True)))).mean((2, 3))

    found = active_channels(Bare(), images(), k=2)["tap"]
    assert found.features is None
    assert found.channels.shape == (3, 2)


class Outside(nn.Module):
    """A gate whose module returns the gate, as other libraries write it."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid(), Tap("gate"))

    def forward(self, x):
        return x * self.gate(x)


def test_features_are_not_the_gate_itself():
    net = nn.Sequential(Outside())
    x = images()
    ((path, found),) = active_channels(net, x, k=2).items()
    assert path == "0.gate.2"
    torch.testing.assert_close(found.features[0], net(x)[0, found.channels[0]])


def test_maps_of_frames_have_no_active_channels():
    net = create_clip_network("clipnet:backbone=resnet8", num_classes=2, in_channels=1, attention="se", seed=0)
    looks = look(net, torch.randn(1, 1, 3, 16, 16))
    assert looks.maps.by_name()
    assert not looks.active
