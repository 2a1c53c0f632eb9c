import dataclasses

import pytest
import torch

from regard.core import Map, Maps, RegardError
from regard.core.kinds import find_kind


def make_map(kind, *shape, path="attention.gate", neutral=1.0, **when):
    values = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    return Map(path=path, kind=find_kind(kind), values=values, neutral=neutral, **when)


def test_a_gate_is_over_channels_only():
    record = make_map("gate", 2, 3, 1, 1)
    assert torch.equal(record.channels(), record.values.reshape(2, 3))
    assert record.positions() is None


@pytest.mark.parametrize("size", [(4,), (4, 5), (2, 4, 5)])
def test_a_spatial_map_is_over_positions_only(size):
    record = make_map("spatial", 2, 1, *size)
    assert torch.equal(record.positions(), record.values.reshape(2, *size))
    assert record.channels() is None


def test_several_maps_of_positions_are_averaged():
    record = make_map("spatial", 2, 3, 4, 5)
    torch.testing.assert_close(record.positions(), record.values.mean(1))


def test_a_query_map_is_averaged_over_queries():
    record = make_map("query", 2, 3, 2, 2, 4, 5)
    got = record.positions()
    assert got.shape == (2, 4, 5)
    for h, w in ((0, 0), (3, 4)):
        torch.testing.assert_close(got[1, h, w], record.values[1, :, :, :, h, w].mean())
    assert record.channels() is None


def test_a_cross_map_is_averaged_over_queries():
    height, width = 3, 4
    record = make_map("cross", 2, 1, height, width, height + width)
    want = torch.zeros(2, height, width)
    for b in range(2):
        for h in range(height):
            for w in range(width):
                for other in range(height):
                    want[b, other, w] += record.values[b, 0, h, w, other]
                for other in range(width):
                    want[b, h, other] += record.values[b, 0, h, w, height + other]
    torch.testing.assert_close(record.positions(), want / (height * width))


@pytest.mark.parametrize(
    ("kind", "shape"), [("affinity", (2, 1, 4, 4)), ("grid", (2, 3, 3, 2)), ("kernel", (2, 1, 3, 3))]
)
def test_other_maps_are_over_neither(kind, shape):
    assert make_map(kind, *shape).positions() is None
    assert make_map(kind, *shape).channels() is None


@pytest.mark.parametrize("size", [(4,), (4, 5), (2, 4, 5)])
def test_a_mixed_map_is_averaged_over_the_other(size):
    record = make_map("mixed", 2, 3, *size)
    numpy = record.values.numpy()
    assert record.channels().tolist() == numpy.reshape(2, 3, -1).mean(2).tolist()
    assert record.positions().tolist() == numpy.mean(1).tolist()


def test_a_map_over_branches_is_neither():
    record = make_map("branch", 2, 2, 3, 1, 1, neutral=0.5)
    assert record.channels() is None
    assert record.positions() is None


def test_branches_have_weights_of_channels_or_of_positions():
    of_channels = make_map("branch", 2, 3, 4, 1, 1)
    assert torch.equal(of_channels.branches(), of_channels.values.reshape(2, 3, 4))
    assert of_channels.positions() is None
    of_positions = make_map("branch", 2, 3, 1, 4, 5)
    assert of_positions.branches() is None
    torch.testing.assert_close(of_positions.positions(), of_positions.values.mean((1, 2)))
    of_neither = make_map("branch", 2, 3, 1, 1, 1)
    assert (of_neither.branches(), of_neither.positions()) == (None, None)
    assert make_map("gate", 2, 3, 1, 1).branches() is None


def test_a_map_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_map("gate", 1, 2, 1).path = "other"


def test_maps_keep_paths_and_passes_in_order():
    maps = Maps()
    first, second, third = (make_map("gate", 1, 2, 1, path=path) for path in ("b", "a", "b"))
    for record in (first, second, third):
        maps.add(record)
    assert list(maps) == ["b", "a"]
    assert len(maps) == 2
    assert maps["b"] == (first, third)
    assert maps.one("a") is second
    assert "c" not in maps
    assert "b: gate (1, 2, 1) x 2" in repr(maps)


def test_one_of_several_passes_is_refused():
    maps = Maps()
    for number in range(2):
        maps.add(make_map("gate", 1, 2, 1, path="a", pass_=number))
    with pytest.raises(RegardError, match=r"The tap 'a' saw 2 passes.*take one of maps\['a'\]"):
        maps.one("a")
    with pytest.raises(RegardError, match=r"The tap 'a' saw 2 passes.*observe one forward pass"):
        maps.steps("a")
    with pytest.raises(KeyError):
        maps.one("b")


def steps_of(*maps):
    found = Maps()
    for step, record in enumerate(maps):
        found.add(dataclasses.replace(record, step=step))
    return found


def test_steps_of_equal_shape_are_stacked():
    first, second = make_map("gate", 2, 3, 1, 1), make_map("gate", 2, 3, 1, 1)
    maps = steps_of(first, second)
    assert maps.steps("attention.gate").shape == (2, 2, 3, 1, 1)
    assert torch.equal(maps.steps("attention.gate")[:, 1], second.values)
    with pytest.raises(RegardError, match=r"saw 2 steps of one pass.*maps\.steps\('attention.gate'\)"):
        maps.one("attention.gate")


def test_one_step_is_stacked_too():
    assert steps_of(make_map("gate", 2, 3, 1, 1)).steps("attention.gate").shape == (2, 1, 3, 1, 1)


def test_alignments_are_joined_along_their_queries():
    together = make_map("alignment", 2, 5, 3)
    parts = [dataclasses.replace(together, values=values) for values in together.values.split([1, 3, 1], 1)]
    assert torch.equal(steps_of(*parts).steps(together.path), together.values)
    with pytest.raises(RegardError, match=r"shapes \(2, 1, 3\), \(2, 1, 4\)"):
        steps_of(make_map("alignment", 2, 1, 3), make_map("alignment", 2, 1, 4)).steps(together.path)


def test_steps_of_several_shapes_are_refused():
    maps = steps_of(make_map("spatial", 1, 1, 2, 2), make_map("spatial", 1, 1, 4, 4))
    with pytest.raises(RegardError, match=r"\(1, 1, 2, 2\), \(1, 1, 4, 4\).*one by one from maps\['attention.gate'\]"):
        maps.steps("attention.gate")


def test_later_steps_are_named_by_their_number():
    maps = steps_of(make_map("gate", 1, 2, 1), make_map("gate", 1, 2, 1))
    assert [record.name for record in maps["attention.gate"]] == ["attention.gate", "attention.gate#2"]


def test_maps_of_one_pass_are_found_by_name():
    maps = steps_of(make_map("gate", 1, 2, 1), make_map("gate", 1, 2, 1))
    assert list(maps.by_name()) == ["attention.gate", "attention.gate#2"]
    maps.add(make_map("gate", 1, 2, 1, pass_=1))
    with pytest.raises(RegardError, match="several passes share their names"):
        maps.by_name()
