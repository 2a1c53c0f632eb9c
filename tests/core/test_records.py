import dataclasses

import pytest
import torch

from regard.core import Map, Maps, RegardError


def seen(kind, *shape, path="attention.gate", neutral=1.0):
    return Map(
        path=path, kind=kind, values=torch.arange(float(torch.Size(shape).numel())).reshape(shape), neutral=neutral
    )


def test_a_gate_is_over_channels_only():
    map = seen("gate", 2, 3, 1, 1)
    assert torch.equal(map.channels(), map.values.reshape(2, 3))
    assert map.positions() is None


@pytest.mark.parametrize("size", [(4,), (4, 5), (2, 4, 5)])
def test_a_spatial_map_is_over_positions_only(size):
    map = seen("spatial", 2, 1, *size)
    assert torch.equal(map.positions(), map.values.reshape(2, *size))
    assert map.channels() is None


@pytest.mark.parametrize("size", [(4,), (4, 5), (2, 4, 5)])
def test_a_mixed_map_is_averaged_over_the_other(size):
    map = seen("mixed", 2, 3, *size)
    numpy = map.values.numpy()
    assert map.channels().tolist() == numpy.reshape(2, 3, -1).mean(2).tolist()
    assert map.positions().tolist() == numpy.mean(1).tolist()


def test_a_map_over_branches_is_neither():
    map = seen("branch", 2, 2, 3, 1, 1, neutral=0.5)
    assert map.channels() is None
    assert map.positions() is None


def test_a_map_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen("gate", 1, 2, 1).path = "other"


def test_maps_keep_paths_and_passes_in_order():
    maps = Maps()
    first, second, third = (seen("gate", 1, 2, 1, path=path) for path in ("b", "a", "b"))
    for map in (first, second, third):
        maps.add(map)
    assert list(maps) == ["b", "a"]
    assert len(maps) == 2
    assert maps["b"] == (first, third)
    assert maps.one("a") is second
    assert "c" not in maps
    assert "b: gate (1, 2, 1) x 2" in repr(maps)


def test_one_of_several_passes_is_refused_with_the_way_out():
    maps = Maps()
    for _ in range(2):
        maps.add(seen("gate", 1, 2, 1, path="a"))
    with pytest.raises(RegardError, match=r"The tap 'a' saw 2 passes.*take one of maps\['a'\]"):
        maps.one("a")
    with pytest.raises(KeyError):
        maps.one("b")
