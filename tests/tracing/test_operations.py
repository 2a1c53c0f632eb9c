"""Recorded operations tell dependencies, the taps that maps pass and the calling functions."""

import torch
from torch import nn

from regard.attention.resampling import interpolate
from regard.core.tap import taps
from regard.tracing.operations import calls_of, house_of, modules_of, operation, record
from tests.tracing.toys import Toy, record_toy


def names(operations):
    return {operation(n): n for n in operations.nodes}


def test_origins_are_features_learned_or_fixed():
    def does(m, x):
        return x.relu() * m.w.sigmoid() + torch.ones(x.shape[3]).tanh()

    operations = record_toy(does, lambda c: {"w": nn.Parameter(torch.ones(c, 1, 1))})
    nodes = names(operations)
    origins = {name: operations.origins[nodes[name]] for name in ("relu", "sigmoid", "tanh", "mul", "add")}
    assert origins == {
        "relu": "features",
        "sigmoid": "learned",
        "tanh": "fixed",
        "mul": "features",
        "add": "features",
    }


def test_sizes_and_masks_are_fixed():
    operations = record_toy(lambda m, x: torch.where(x > 0, x, torch.zeros_like(x)))
    nodes = names(operations)
    assert operations.origins[nodes["gt"]] == operations.origins[nodes["zeros_like"]] == "fixed"


def test_a_map_is_found_at_its_tap():
    operations = record_toy(lambda m, x: x * m.tap(x.sigmoid()))
    ((node, (path, tap)),) = operations.maps.items()
    assert (path, tap.kind.name) == ("tap", "gate")
    assert operations.words(node) == "c × h × w"


def test_a_part_has_fewer_values_than_the_whole():
    operations = record_toy(lambda m, x: x.chunk(2, 1)[0].relu())
    (x,), part = operations.features, names(operations)["getitem"]
    assert operations.part_of(part, x)
    assert not operations.part_of(x, x)


def test_calls_of_shared_functions_are_told_apart():
    operations = record_toy(lambda m, x: interpolate(interpolate(x, (9, 9)), (5, 5)))
    calls = {call for n in operations.nodes for call in calls_of(n) if call.function == "interpolate"}
    assert len(calls) == 2
    assert {call.module for call in calls} == {"regard.attention.resampling"}


def test_modules_above_a_mechanisms_folder_are_shared():
    class Own(Toy):
        __module__ = "ours.gates.soft.mean"

    assert house_of(Own) == {"ours", "ours.gates"}
    shared = record_toy(lambda m, x: x.relu()).shares
    assert shared("regard.attention.resampling")
    assert not any(map(shared, ("regard.attention.channel.se", "regard.core.tap", "torch.nn")))


def test_modules_are_named_by_their_path():
    operations = record_toy(lambda m, x: m.layer(x), lambda c: {"layer": nn.Conv2d(c, c, 1)})
    path, kind = modules_of(names(operations)["conv2d"])[-1]
    assert path == "layer"
    assert kind.endswith("Conv2d")


def test_no_tap_is_left_replaced():
    modules = tuple(Toy(c, lambda m, x: m.tap(x)) for c in (64, 128))
    record(modules, ((torch.zeros(1, 64, 56, 48),), (torch.zeros(1, 128, 40, 72),)), 2)
    assert not any(tap.watched for module in modules for tap in taps(module).values())
