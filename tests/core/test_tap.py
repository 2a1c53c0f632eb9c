import copy
import math
import pickle

import pytest
import torch
from torch import nn

from regard.core import ShapeError, Tap, taps


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        self.gate = Tap("gate")

    def forward(self, x):
        return x * self.gate(torch.sigmoid(x.mean((2, 3), keepdim=True) * self.weight[:, None, None]))


def test_without_listeners_the_map_itself_passes():
    map = torch.rand(2, 3, 1, 1)
    assert Tap("gate")(map) is map


def test_a_sink_sees_the_map_and_changes_nothing():
    tap, seen, map = Tap("gate"), [], torch.rand(2, 3, 1, 1, requires_grad=True)
    tap.sink = seen.append
    assert tap(map) is map
    assert seen[0] is map


def test_a_replacement_is_broadcast_and_converted_and_seen_by_the_sink():
    tap, seen = Tap("gate"), []
    tap.sink, tap.replace = seen.append, lambda map: torch.full((1, 3, 1, 1), 0.25, dtype=torch.float64)
    map = tap(torch.rand(2, 3, 1, 1))
    assert (map.shape, map.dtype) == ((2, 3, 1, 1), torch.float32)
    assert torch.equal(map, torch.full((2, 3, 1, 1), 0.25))
    assert seen[0] is map


def test_a_replacement_sees_the_map():
    tap, map = Tap("gate"), torch.rand(2, 3, 1, 1)
    tap.replace = lambda map: map.flip(0)
    assert torch.equal(tap(map), map.flip(0))


@pytest.mark.parametrize("shape", [(2, 4, 1, 1), (2, 3, 5, 5), (1, 2, 3, 1, 1), (3, 3, 1, 1)])
def test_a_replacement_of_another_shape_is_refused(shape):
    tap = Tap("gate")
    tap.replace = lambda map: torch.ones(shape)
    with pytest.raises(ShapeError, match=r"`replace` gave a map of shape .* own shape \(2, 3, 1, 1\)"):
        tap(torch.rand(2, 3, 1, 1))


@pytest.mark.parametrize("listening_first", [True, False])
def test_a_compiled_module_is_seen_and_replaced(listening_first):
    torch._dynamo.reset()
    net, seen, x = Gated(), [], torch.randn(2, 3, 4, 4)
    plain = net(x)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    if not listening_first:
        torch.testing.assert_close(compiled(x), plain)
    net.gate.sink = seen.append
    torch.testing.assert_close(compiled(x), plain)
    assert len(seen) == 1
    torch.testing.assert_close(x * seen[0], plain)
    net.gate.sink, net.gate.replace = None, lambda map: torch.full_like(map, 2.0)
    torch.testing.assert_close(compiled(x), 2 * x)
    net.gate.replace = None
    torch.testing.assert_close(compiled(x), plain)
    assert len(seen) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), copy.copy])
def test_copies_and_pickles_have_no_listeners(duplicate):
    tap = Tap("branch", neutral=0.5, high=2.0)
    tap.sink, tap.replace = lambda map: None, lambda map: map
    copied = duplicate(tap)
    assert copied.sink is None
    assert copied.replace is None
    assert (copied.kind, copied.neutral, copied.low, copied.high) == ("branch", 0.5, 0.0, 2.0)
    assert tap.sink is not None


def test_gradients_pass_and_listeners_are_no_state():
    tap, map = Tap("gate"), torch.rand(2, 3, requires_grad=True)
    tap.sink = lambda map: None
    tap(map).sum().backward()
    assert torch.equal(map.grad, torch.ones(2, 3))
    assert not tap.state_dict()
    assert not list(tap.parameters())


def test_taps_are_named_by_path_and_once():
    shared = Tap("gate")
    net = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), shared), "b": shared, "c": Tap("spatial", neutral=0.5)})
    assert taps(net) == {"a.1": shared, "c": net["c"]}
    assert taps(shared) == {"": shared}
    assert "c): Tap(spatial, neutral=0.5)" in repr(net)


@pytest.mark.parametrize(
    ("kind", "shape", "share"),
    [
        ("spatial", (2, 3, 4, 5), 1 / 20),
        ("query", (2, 3, 4, 5, 2, 3), 1 / 6),
        ("query", (2, 3, 7, 5), 1 / 5),
        ("cross", (2, 1, 4, 5, 9), 1 / 9),
        ("affinity", (2, 4, 8, 8), 1 / 8),
    ],
)
def test_an_equal_share_is_one_over_what_is_shared(kind, shape, share):
    tap, map = Tap(kind, neutral="uniform"), torch.rand(shape)
    assert tap.level(map) == pytest.approx(share)
    assert torch.equal(tap.nothing(map), torch.full(shape, share))
    assert "neutral=uniform" in repr(tap)


def test_a_number_is_the_level_of_a_map_of_any_shape():
    tap = Tap("mixed", neutral=0.5)
    assert tap.level(torch.rand(2, 3)) == 0.5
    assert torch.equal(tap.nothing(torch.rand(2, 3)), torch.full((2, 3), 0.5))


@pytest.mark.parametrize("size", [(5,), (4, 3), (2, 3, 5)])
def test_the_identity_grid_is_that_of_pytorch(size):
    d = len(size)
    grid = Tap("grid", neutral="identity").nothing(torch.zeros(2, *size, d, dtype=torch.float64))
    assert grid.shape == (2, *size, d)
    theta = torch.eye(max(d, 2), max(d, 2) + 1, dtype=torch.float64).expand(2, -1, -1)
    square = size if d > 1 else (1, *size)
    theirs = torch.nn.functional.affine_grid(theta, [2, 1, *square], align_corners=False)
    torch.testing.assert_close(grid, theirs if d > 1 else theirs[:, 0, :, :1])
    assert math.isnan(Tap("grid", neutral="identity").level(grid))


def test_it_is_watched_while_anyone_looks_or_replaces():
    tap = Tap("query", neutral="uniform")
    assert not tap.watched
    tap.sink = lambda map: None
    assert tap.watched
    tap.sink, tap.replace = None, lambda map: map
    assert tap.watched
