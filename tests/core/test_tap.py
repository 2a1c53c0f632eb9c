import copy
import math
import pickle

import pytest
import torch
from torch import nn

from regard.core import Axis, ShapeError, Tap, UnknownNameError, taps


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        self.gate = Tap("gate")

    def forward(self, x):
        return x * self.gate(torch.sigmoid(x.mean((2, 3), keepdim=True) * self.weight[:, None, None]))


def test_without_listeners_the_map_itself_passes():
    values = torch.rand(2, 3, 1, 1)
    assert Tap("gate")(values) is values


def test_a_sink_sees_the_map_and_changes_nothing():
    tap, seen, values = Tap("gate"), [], torch.rand(2, 3, 1, 1, requires_grad=True)
    tap.sink = seen.append
    assert tap(values) is values
    assert seen[0] is values


def test_the_sink_sees_the_broadcast_replacement():
    tap, seen = Tap("gate"), []
    tap.sink, tap.replace = seen.append, lambda values: torch.full((1, 3, 1, 1), 0.25, dtype=torch.float64)
    values = tap(torch.rand(2, 3, 1, 1))
    assert (values.shape, values.dtype) == ((2, 3, 1, 1), torch.float32)
    assert torch.equal(values, torch.full((2, 3, 1, 1), 0.25))
    assert seen[0] is values


def test_a_replacement_sees_the_map():
    tap, values = Tap("gate"), torch.rand(2, 3, 1, 1)
    tap.replace = lambda values: values.flip(0)
    assert torch.equal(tap(values), values.flip(0))


@pytest.mark.parametrize("shape", [(2, 4, 1, 1), (2, 3, 5, 5), (1, 2, 3, 1, 1), (3, 3, 1, 1)])
def test_a_replacement_of_another_shape_is_refused(shape):
    tap = Tap("gate")
    tap.replace = lambda values: torch.ones(shape)
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
    net.gate.sink, net.gate.replace = None, lambda values: torch.full_like(values, 2.0)
    torch.testing.assert_close(compiled(x), 2 * x)
    net.gate.replace = None
    torch.testing.assert_close(compiled(x), plain)
    assert len(seen) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), copy.copy])
def test_copies_and_pickles_have_no_listeners(duplicate):
    tap = Tap("branch", shares="branch", high=2.0)
    tap.sink, tap.replace = lambda values: None, lambda values: values
    copied = duplicate(tap)
    assert copied.sink is None
    assert copied.replace is None
    assert (copied.kind, copied.shares, copied.neutral) == (tap.kind, {Axis.BRANCH}, {Axis.BRANCH})
    assert (copied.low, copied.high) == (0.0, 2.0)
    assert tap.sink is not None


def test_gradients_pass_and_listeners_are_no_state():
    tap, values = Tap("gate"), torch.rand(2, 3, requires_grad=True)
    tap.sink = lambda values: None
    tap(values).sum().backward()
    assert torch.equal(values.grad, torch.ones(2, 3))
    assert not tap.state_dict()
    assert not list(tap.parameters())


def test_taps_are_named_by_path_and_once():
    shared = Tap("gate")
    net = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), shared), "b": shared, "c": Tap("spatial", neutral=0.5)})
    assert taps(net) == {"a.1": shared, "c": net["c"]}
    assert taps(shared) == {"": shared}
    assert "c): Tap(spatial, neutral: 0.5)" in repr(net)


@pytest.mark.parametrize(
    ("kind", "shares", "shape", "share"),
    [
        ("spatial", "position", (2, 3, 4, 5), 1 / 20),
        ("spatial", "head", (2, 3, 4, 5), 1 / 3),
        ("spatial", ("head", "position"), (2, 3, 4, 5), 1 / 60),
        ("branch", "branch", (2, 3, 4, 1, 1), 1 / 3),
        ("query", "source", (2, 3, 4, 5, 2, 3), 1 / 6),
        ("query", "source", (2, 3, 7, 5), 1 / 5),
        ("cross", "cross", (2, 1, 4, 5, 9), 1 / 9),
        ("affinity", "channel", (2, 4, 8, 6), 1 / 6),
        ("alignment", "source", (2, 4, 8), 1 / 8),
        ("frame", "frame", (2, 1, 5), 1 / 5),
    ],
)
def test_an_equal_share_is_one_over_the_count(kind, shares, shape, share):
    tap, values = Tap(kind, shares=shares), torch.rand(shape)
    assert tap.level(values) == pytest.approx(share)
    assert torch.equal(tap.nothing(values), torch.full(shape, share))
    assert tap.does_nothing.startswith("an equal share over")


def test_an_equal_share_may_be_neutral_without_shares():
    tap = Tap("query", neutral="source")
    assert tap.level(torch.rand(2, 1, 3, 4)) == 0.25
    assert not tap.shares


@pytest.mark.parametrize(
    ("kind", "option"), [("gat", {}), ("gate", {"shares": "position"}), ("gate", {"neutral": "source"})]
)
def test_unknown_kinds_and_axes_are_refused(kind, option):
    with pytest.raises(UnknownNameError, match=r"There are: .*"):
        Tap(kind, **option)


def test_a_glimpse_in_the_middle_does_nothing():
    assert torch.equal(Tap("glimpse", low=-1.0).nothing(torch.rand(2, 3, 2)), torch.zeros(2, 3, 2))


def test_a_number_is_the_level_of_any_shape():
    tap = Tap("mixed", neutral=0.5)
    assert tap.level(torch.rand(2, 3)) == 0.5
    assert torch.equal(tap.nothing(torch.rand(2, 3)), torch.full((2, 3), 0.5))


@pytest.mark.parametrize("size", [(5,), (4, 3), (2, 3, 5)])
def test_the_identity_grid_is_that_of_pytorch(size):
    d = len(size)
    grid = Tap("grid").nothing(torch.zeros(2, *size, d, dtype=torch.float64))
    assert grid.shape == (2, *size, d)
    theta = torch.eye(max(d, 2), max(d, 2) + 1, dtype=torch.float64).expand(2, -1, -1)
    square = size if d > 1 else (1, *size)
    theirs = torch.nn.functional.affine_grid(theta, [2, 1, *square], align_corners=False)
    torch.testing.assert_close(grid, theirs if d > 1 else theirs[:, 0, :, :1])
    assert math.isnan(Tap("grid").level(grid))


def test_it_is_watched_while_anyone_looks_or_replaces():
    tap = Tap("query", shares="source")
    assert not tap.watched
    tap.sink = lambda values: None
    assert tap.watched
    tap.sink, tap.replace = None, lambda values: values
    assert tap.watched
