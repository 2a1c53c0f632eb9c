import pytest

from regard.core import Axis, ShapeError, UnknownNameError
from regard.core.kinds import KINDS, REPEATING, find_axes, find_kind


@pytest.mark.parametrize(
    ("name", "ndim", "axes"),
    [
        ("gate", 2, "b c"),
        ("gate", 4, "b c . ."),
        ("spatial", 4, "b h p p"),
        ("mixed", 5, "b c p p p"),
        ("branch", 3, "b n c"),
        ("branch", 5, "b n c p p"),
        ("kernel", 4, "b h k k"),
        ("query", 4, "b h t s"),
        ("query", 6, "b h t t s s"),
        ("cross", 5, "b h t t x"),
        ("affinity", 4, "b h c c"),
        ("grid", 4, "b p p o"),
        ("alignment", 3, "b t s"),
        ("frame", 3, "b h f"),
        ("glimpse", 3, "b g o"),
    ],
)
def test_every_dimension_has_its_axis(name, ndim, axes):
    letters = {
        "b": Axis.BATCH, "h": Axis.HEAD, "c": Axis.CHANNEL, "p": Axis.POSITION, "n": Axis.BRANCH, "k": Axis.KERNEL,
        "t": Axis.TARGET, "s": Axis.SOURCE, "x": Axis.CROSS, "o": Axis.COORDINATE, "f": Axis.FRAME,
        "g": Axis.GLIMPSE, ".": None,
    }  # fmt: skip
    assert find_kind(name).dimensions(ndim) == tuple(letters[letter] for letter in axes.split())


@pytest.mark.parametrize(("name", "ndim"), [("gate", 1), ("query", 5), ("alignment", 4), ("branch", 2), ("cross", 2)])
def test_other_numbers_of_dimensions_are_refused(name, ndim):
    with pytest.raises(ShapeError, match=f"A {name} map has the axes batch, .*it cannot have {ndim} dimensions"):
        find_kind(name).dimensions(ndim)


def test_an_axis_spans_its_dimensions():
    query = find_kind("query")
    assert (query.span(Axis.TARGET, 6), query.span(Axis.SOURCE, 6)) == (range(2, 4), range(4, 6))
    assert not query.span(Axis.CHANNEL, 6)
    assert not find_kind("branch").span(Axis.POSITION, 3)


def test_a_channel_span_is_that_of_the_sources():
    assert find_kind("affinity").span(Axis.CHANNEL, 4) == range(3, 4)


def test_kinds_begin_with_the_batch_and_differ():
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(kind.axes[0] is Axis.BATCH and kind.over for kind in KINDS)
    assert all(str(kind) == kind.name for kind in KINDS)
    assert all(kind.axes.count(axis) < 2 for kind in KINDS for axis in REPEATING)


def test_kinds_and_axes_are_found_by_name():
    gate = find_kind("gate")
    assert find_kind(gate) is gate
    assert find_axes(gate, ("channel", Axis.BATCH)) == {Axis.CHANNEL, Axis.BATCH}
    assert find_axes(gate, iter(())) == frozenset()
    with pytest.raises(UnknownNameError, match=r"no kind of map named 'gat'. Did you mean 'gate'"):
        find_kind("gat")
    with pytest.raises(UnknownNameError, match=r"no axis of a gate map named 'position'.*There are: batch, channel"):
        find_axes(gate, "position")
