"""Contestants are compared before they are timed, and one that is wrong is not timed."""

import functools

import pytest
import torch

from regard import kernels
from regard.recipes import bench_modules
from regard.recipes.bench_modules import ModulePlan, measure_module
from regard.recipes.bench_results import AUTO, COMPILED, COPY, EAGER, REFERENCE
from regard.recipes.bench_twins import make_pair

TINY = (2, 16, 5, 4)


def measure(mechanism="se", mode="training", layout="channels last", **options):
    plan = ModulePlan(mechanism=mechanism, shape=TINY, layout=layout, mode=mode, **options)
    return measure_module(plan, rounds=2, min_seconds=0)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("mechanism", ["se", "sk", "bam"])
def test_every_contestant_is_timed(mechanism, mode):
    case = measure(mechanism, mode)
    assert list(case.timings) == [AUTO, REFERENCE, EAGER, COPY]
    assert case.refused == {}
    assert case.timings[AUTO].ratio == 1
    assert all(timing.what == mode and timing.rounds == 2 for timing in case.timings.values())


def test_the_reference_is_forced():
    seen = []

    class Seen(torch.nn.Module):
        def forward(self, x):
            seen.append(kernels.choice.choose("x", "auto", ("fast", "reference")))
            return x

    pair = bench_modules.Pair(Seen(), None, "none", 1, dict)
    plan = ModulePlan(mechanism="se", shape=TINY, layout="contiguous", mode="inference")
    for contestant in bench_modules._contestants(pair, [torch.zeros(TINY)], plan).values():
        contestant.run()
    assert seen == ["fast", "reference"]


@pytest.mark.parametrize(
    ("mode", "change", "named"),
    [("inference", 1.01, "the output"), ("training", 1.01, "the output"), ("training", 1.0, "the gradient of x")],
)
def test_a_wrong_twin_is_not_timed(monkeypatch, mode, change, named):
    """One returns a wrong output, another the right one with a wrong gradient."""

    class Wrong(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, x):
            y = self.module(x)
            return y * change if change != 1 else y + (y - y.detach()) / 100

    def make(mechanism, channels):
        pair = make_pair(mechanism, channels)
        inside = {f"module.{name}": name for name, _ in pair.theirs.named_parameters()}
        renamed = lambda tensors: pair.renamed({inside.get(name, name): t for name, t in tensors.items()})  # noqa: E731
        return bench_modules.Pair(pair.ours, Wrong(pair.theirs), pair.name, 1, renamed)

    monkeypatch.setattr(bench_modules, "make_pair", make)
    case = measure(mode=mode)
    assert EAGER not in case.timings
    assert case.refused[EAGER].startswith(f"wrong: {named} differs by")
    assert case.times_faster(EAGER) is None


def test_a_twin_that_fails_is_named(monkeypatch):
    class Failing(torch.nn.Module):
        def forward(self, x):
            raise ValueError("no\nmore")

    pair = bench_modules.Pair(make_pair("se", 16).ours, Failing(), "timm", 1, dict)
    monkeypatch.setattr(bench_modules, "make_pair", lambda mechanism, channels: pair)
    assert measure().refused == {EAGER: "failed: ValueError: no"}


@pytest.mark.graph
def test_a_compiled_twin_is_timed(monkeypatch):
    """Traced whole as always, and run without inductor, which takes too long for a test."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    case = measure("se", "inference", compiled=True)
    assert list(case.timings) == [AUTO, REFERENCE, EAGER, COMPILED, COPY]


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_the_layout_is_that_of_the_case(layout, monkeypatch):
    seen = []
    monkeypatch.setattr(bench_modules, "_copy", lambda x: seen.append(x) or (lambda: x))
    measure(layout=layout)
    assert seen[0].is_contiguous(memory_format=bench_modules.FORMATS[layout])
    assert seen[0].shape == TINY
