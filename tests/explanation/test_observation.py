from contextlib import suppress

import pytest
import torch
from torch import nn

from regard.core import RegardError, Tap, taps
from regard.explanation import observe, replace_maps
from tests.explanation.nets import CLASSES, Shared, classifier


def images(n=3, size=(6, 5)):
    return torch.randn(n, CLASSES, *size, generator=torch.Generator().manual_seed(1))


def expected_gate(net, x):
    """The maps of an SE classifier, written out."""
    gate = net[3]
    squeezed = net[:3](x).mean((2, 3))
    hidden = (squeezed @ gate.reduce.weight.T + gate.reduce.bias).clamp(min=0)
    return torch.sigmoid(hidden @ gate.expand.weight.T + gate.expand.bias)


def test_the_map_is_the_one_that_was_applied():
    net = classifier("se")
    with observe(net) as maps:
        net(images())
    seen = maps.one("3.gate")
    torch.testing.assert_close(seen.channels(), expected_gate(net, images()).detach())
    assert (seen.kind.name, seen.path, seen.neutral) == ("gate", "3.gate", 1.0)


def test_passes_keep_order_and_may_differ_in_size():
    net = classifier("cbam")
    with observe(net) as maps:
        net(images(2, (6, 5)))
        net(images(1, (9, 4)))
    assert [tuple(m.values.shape) for m in maps["3.spatial.gate"]] == [(2, 1, 6, 5), (1, 1, 9, 4)]
    with pytest.raises(RegardError, match="2 passes"):
        maps.one("3.spatial.gate")


def test_observing_keeps_output_and_gradients():
    net = classifier("cbam")
    x = images().requires_grad_()
    alone = torch.autograd.grad(net(x).sum(), [x, *net.parameters()])
    with observe(net) as maps:
        watched = torch.autograd.grad(net(x).sum(), [x, *net.parameters()])
    for one, other in zip(alone, watched, strict=True):
        assert torch.equal(one, other)
    assert not any(m[0].values.requires_grad for m in maps.values())


def test_maps_are_copies_of_parameters():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.ones(1, 2, 1, 1))
            self.tap = Tap("gate")

        def forward(self, x):
            return x * self.tap(self.weights)

    net = Learned()
    with observe(net) as maps:
        net(torch.ones(1, 2, 1, 1))
    with torch.no_grad():
        net.weights.fill_(5.0)
    assert maps.one("tap").values.flatten().tolist() == [1.0, 1.0]


def test_nested_observers_both_see_every_map():
    net = classifier("se")
    with observe(net) as outer:
        net(images())
        with observe(net) as inner:
            net(images())
        net(images())
    assert (len(outer["3.gate"]), len(inner["3.gate"])) == (3, 1)
    assert torch.equal(outer["3.gate"][1].values, inner.one("3.gate").values)


def test_previous_sinks_come_back_also_after_an_exception():
    net = classifier("cbam")
    mine = []
    taps(net)["3.spatial.gate"].sink = mine.append
    with suppress(KeyError), observe(net) as maps:
        net(images())
        raise KeyError
    assert {path: tap.sink for path, tap in taps(net).items()} == {
        "3.channel.gate": None,
        "3.spatial.gate": mine.append,
    }
    assert len(mine) == 1
    assert len(maps) == 2


def test_paths_choose_what_is_kept():
    net = classifier("cbam")
    with observe(net, paths="*.channel.gate") as maps:
        net(images())
    assert list(maps) == ["3.channel.gate"]


def test_replaced_map_is_observed_as_applied():
    net = classifier("se")
    with replace_maps(net, {"3": 0.25}), observe(net) as maps:
        net(images())
    assert (maps.one("3.gate").values == 0.25).all()
    assert maps.one("3.gate").values.shape == (3, 8, 1, 1)


def test_compiled_network_is_observed_repeatedly():
    net = classifier("cbam")
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    before = compiled(images())
    with observe(net) as plain:
        net(images())
    for _ in range(12):  # more often than PyTorch is willing to compile one function anew
        with observe(compiled) as maps:
            compiled(images())
    assert torch.equal(maps.one("3.spatial.gate").values, plain.one("3.spatial.gate").values)
    torch.testing.assert_close(compiled(images()), before)


def test_a_network_compiled_inside_is_observed():
    net = classifier("se")
    with observe(net) as maps:
        torch.compile(net, backend="eager")(images())
    assert maps.one("3.gate").values.shape == (3, 8, 1, 1)


def test_module_compiled_in_place_is_observed():
    net = classifier("se")
    net.compile(backend="eager", fullgraph=True)
    net(images())
    with observe(net) as maps:
        net(images())
    assert len(maps["3.gate"]) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_maps_move_only_if_asked():
    net = classifier("se").cuda()
    with observe(net) as there, observe(net, device="cpu") as here:
        net(images().cuda())
    assert there.one("3.gate").values.is_cuda
    assert not here.one("3.gate").values.is_cuda


def passes_and_steps(maps, path):
    return [(one.pass_, one.step) for one in maps[path]]


@pytest.mark.parametrize("wrapped", [lambda net: net, lambda net: torch.compile(net, backend="eager"), nn.DataParallel])
def test_a_pass_is_one_outermost_call(wrapped):
    net = Shared("cbam")
    calling = wrapped(net)
    calling(images())
    with observe(calling) as maps:
        calling(images())
        net(images())
    for path in maps:
        assert passes_and_steps(maps, path) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not net._forward_hooks
    assert not net._forward_pre_hooks


def test_a_network_that_calls_itself_makes_one_pass():
    class Recursive(nn.Module):
        def __init__(self):
            super().__init__()
            self.tap = Tap("gate")

        def forward(self, x, depth=2):
            x = self.tap(x)
            return self(x, depth - 1) if depth else x

    net = Recursive()
    with observe(net) as maps:
        net(torch.ones(1, 1))
        net(torch.ones(1, 1), 0)
    assert passes_and_steps(maps, "tap") == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_direct_module_calls_are_separate_passes():
    net = Shared("se")
    with observe(net) as maps:
        net(images())
        net.attention(torch.rand(2, 8, 3, 3))
        net.attention(torch.rand(2, 8, 3, 3))
        net(images())
    assert passes_and_steps(maps, "attention.gate") == [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (3, 1)]


def test_a_pass_that_raises_ends():
    net = classifier("se")
    with observe(net) as maps:
        with suppress(RuntimeError):
            net(torch.zeros(1, 9, 4, 4))
        net(images())
        net(images())
    assert [step for _, step in passes_and_steps(maps, "3.gate")] == [0, 0]
    assert len({number for number, _ in passes_and_steps(maps, "3.gate")}) == 2
