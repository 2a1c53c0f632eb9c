"""`regard bench` plans its cases by its options, measures them, and writes what it measured."""

import json
import pickle

import pytest
import torch

from regard.cli.main import main
from regard.core import OptionError, RunError
from regard.recipes import bench as story
from regard.recipes import console
from regard.recipes.bench import bench
from regard.recipes.bench_networks import NetworkPlan
from regard.recipes.bench_results import read_bench
from regard.recipes.workers import Outcome
from tests.recipes.bench_records import case


@pytest.fixture
def plans(monkeypatch):
    """The cases that would be measured, and the rounds."""
    seen = []

    def measure(plan, rounds):
        seen.append((plan, rounds))
        return case(eager=2.0)

    monkeypatch.setattr(story, "measure_module", measure)
    monkeypatch.setattr(story, "measure_network", measure)
    monkeypatch.setattr(story, "reuse_memory", lambda: False)
    return seen


def test_the_full_bench_has_every_case(plans):
    bench()
    assert len(plans) == 8 * 5 * 2 * 2 * 2
    assert {rounds for _, rounds in plans} == {11}
    compiled = {(plan.mechanism, plan.shape) for plan, _ in plans if plan.compiled}
    assert compiled == {(name, shape) for name in ("se", "cbam") for shape in ((16, 256, 56, 56), (16, 1024, 14, 14))}


def test_quick_gives_way_to_what_is_asked(plans):
    bench(["se"], quick=True)
    assert {plan.shape for plan, _ in plans} == {(16, 256, 56, 56), (16, 1024, 14, 14), (16, 2048, 7, 7)}
    assert not any(plan.compiled for plan, _ in plans)
    assert {rounds for _, rounds in plans} == {3}
    plans.clear()
    bench(["se"], quick=True, shapes=("8x4x4",), batches=(2,), compiled="all", rounds=4)
    assert {(plan.shape, plan.compiled, rounds) for plan, rounds in plans} == {((2, 8, 4, 4), True, 4)}


def test_networks_are_measured_instead(plans):
    bench(networks=True)
    assert [(plan.mechanism, plan.mode) for plan, _ in plans] == [
        (mechanism, mode) for mechanism in ("se", "cbam") for mode in ("training", "inference")
    ]
    assert all(isinstance(plan, NetworkPlan) and rounds == 31 for plan, rounds in plans)


def test_the_command_writes_what_it_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(story, "reuse_memory", lambda: False)
    monkeypatch.setattr(console.out, "width", 120)  # a narrow terminal breaks the heads of the table
    words = "bench se --shapes 8x4x4 --batches 2 --rounds 2 --compiled none --threads 1"
    assert main([*words.split(), "--out", str(tmp_path / "bench.json")]) == 0
    found = read_bench(tmp_path / "bench.json")
    assert [one.mode for one in found.regimes[0].cases] == ["inference", "training"] * 2
    assert "against the twin" in capsys.readouterr().out
    assert found.machine.threads == torch.get_num_threads() == 1
    assert json.loads((tmp_path / "bench.json").read_text())["versions"]["timm"]


def test_the_other_regime_is_measured_apart(plans, monkeypatch):
    def run_jobs(work, jobs, *, workers, threads):
        """Runs the jobs as another process would get them."""
        for job in jobs:
            assert not job.reuse
            again, there = pickle.loads(pickle.dumps((work, job)))
            yield Outcome(job, again(there), None)

    monkeypatch.setattr(story, "reuse_memory", lambda: True)
    monkeypatch.setattr(story, "obstacle", lambda: None)
    monkeypatch.setattr(story, "set_by_user", dict)
    monkeypatch.setattr(story, "run_jobs", run_jobs)
    found = bench(["simam"], shapes=("8x4x4",), batches=(2,), out_of_the_box=True).results.regimes
    assert [regime.name for regime in found] == ["memory reuse", "out of the box"]
    assert plans[:4] == plans[4:]
    assert len(plans) == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shapes": ("64x56",)}, "--shapes 64x56 is not allowed; write CHANNELSxHEIGHTxWIDTH, as in 64x56x56"),
        ({"shapes": ("large",)}, "--shapes large is not allowed; write CHANNELSxHEIGHTxWIDTH"),
        ({"shapes": ("0x7x7",)}, "shape='0x7x7' is not allowed"),
        ({"mechanisms": ("se", "cbam:reduction=0")}, "reduction=0 is not allowed"),
        ({"batches": (0,)}, "batches=0 is not allowed"),
        ({"rounds": 0}, "rounds=0 is not allowed"),
        ({"mechanisms": ("additive",)}, "additive cannot be measured here"),
        ({"mechanisms": ("eca",), "networks": True}, "eca is not measured in whole networks"),
        ({"shapes": ("8x4x4",), "networks": True}, "are not allowed with --networks"),
    ],
)
def test_wrong_options_are_refused(plans, options, said):
    with pytest.raises(OptionError, match=said):
        bench(**options)
    assert plans == []


def test_an_unwritable_file_is_told_first(plans, tmp_path):
    with pytest.raises(RunError, match="is a folder"):
        bench(["se"], out=str(tmp_path))
    assert plans == []


def test_mechanisms_that_compute_their_start_are_measured(plans):
    bench(["stn"], shapes=("8x4x4",), batches=(2,))
    assert len(plans) == 4


def test_a_set_allocator_leaves_one_regime(plans, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    with pytest.raises(OptionError, match="because MALLOC_ARENA_MAX of the environment set it"):
        bench(out_of_the_box=True)
    assert bench(["se"], quick=True).results.regimes[0].name == "set by the user"
