import pytest
import torch
from torch import nn

from regard.core import OptionError, RegardError, Tap
from regard.explanation import look, observe
from regard.kernels import use
from tests.explanation.nets import CLASSES, Shared, classifier


def images(n=3):
    return torch.randn(n, CLASSES, 6, 5, generator=torch.Generator().manual_seed(1))


def counted(net):
    """The network, and a list that grows with each call of it."""
    calls = []
    net.register_forward_pre_hook(lambda *_: calls.append(1))
    return net, calls


@pytest.mark.parametrize("mechanism", ["se", "cbam", "sk", "nonlocal"])
def test_one_pass_gives_answers_maps_and_channels(mechanism):
    net, calls = counted(classifier(mechanism))
    with use("reference"):  # kernels round a product of two gates otherwise where a half is looked at
        looks = look(net, images(), k=3)
    assert len(calls) == 1
    with use("reference"), observe(net) as maps, torch.no_grad():
        assert torch.equal(looks.answers, net(images()))
    assert list(looks.maps) == list(maps)
    assert all(torch.equal(looks.maps.one(path).values, maps.one(path).values) for path in maps)
    assert set(looks.active) <= set(maps)
    assert not looks.answers.requires_grad


def test_a_network_may_take_several_tensors():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.tap = Tap("gate")

        def forward(self, x, gate):
            return x * self.tap(gate)

    x, gate = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 1, 1)
    looks = look(Two(), (x, gate), k=2)
    assert torch.equal(looks.answers, x * gate)
    assert looks.active["tap"].channels.shape == (2, 2)


def test_steps_of_one_pass_have_their_names():
    looks = look(Shared("se"), images())
    assert list(looks.active) == list(looks.maps.by_name()) == ["attention.gate", "attention.gate#2"]


def test_network_is_restored_also_after_exception():
    net = classifier("cbam").train()
    buffers = [buffer.clone() for buffer in net.buffers()]
    look(net, images())
    with pytest.raises(RuntimeError):
        look(net, torch.zeros(1, 9, 4, 4))
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(map(torch.equal, buffers, net.buffers()))


def test_invalid_networks_are_refused():
    with pytest.raises(OptionError, match="k=0"):
        look(classifier("se"), images(), k=0)
    with pytest.raises(RegardError, match="has no taps"):
        look(nn.ReLU(), images())
