"""Shared functions are one box; repeated units are drawn once."""

from regard.attention.catalogue import create
from regard.attention.resampling import interpolate
from regard.tracing.operations import record
from regard.tracing.regions import regions
from regard.tracing.sizes import CHANNELS, PROBES
from regard.tracing.trace import shown_nodes
from tests.tracing.toys import record_toy


def of(name):
    modules = tuple(create(name, channels=c) for c in CHANNELS)
    inputs = tuple(m.example_inputs(c, s, 1) for m, c, s in zip(modules, CHANNELS, PROBES[2], strict=True))
    operations = record(modules, inputs, 2)
    return set(regions(operations, shown_nodes(operations)).values()), operations


def test_a_shared_functions_call_is_one_region():
    operations = record_toy(lambda m, x: interpolate(interpolate(x.relu(), (9, 9)).relu(), (5, 5)))
    found = set(regions(operations, shown_nodes(operations)).values())
    assert [region.title for region in found] == ["interpolate"] * 2
    reads = [region.reads(operations, shown_nodes(operations)) for region in found]
    assert all(len(read) == 1 for read in reads)


def test_functions_with_maps_or_layers_are_no_regions():
    found, operations = of("nonlocal")
    inside = {node for region in found for node in region.nodes}
    assert not inside & set(operations.maps)
    found, _ = of("se")
    assert not found


def test_equal_modules_of_one_class_are_units():
    found, _ = of("residual_mask")
    units = [region for region in found if region.unit]
    assert {region.title for region in units} == {"residual unit"}
    assert len(units) > 2


def test_learned_kernels_that_a_map_mixes_are_read():
    found, operations = of("dynamic_conv")
    (mixing,) = [region for region in found if region.title == "mix kernels"]
    learned = [n for n in mixing.reads(operations, shown_nodes(operations)) if operations.origins[n] == "learned"]
    assert [operations.words(n) for n in learned] == ["4 × c × c × 3 × 3"]
