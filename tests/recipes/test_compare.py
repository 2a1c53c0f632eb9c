"""A comparison end to end on small images: kept trials, refused folders, honest bookkeeping."""

import importlib
import json
import shutil

import numpy as np
import pytest

from regard.core import RegardError, RunError
from regard.recipes.compare import DESIGN_FILE, compare
from regard.recipes.ledger import count_test_accesses
from regard.report import read_results
from regard.training import Recipe
from tests.recipes.comparison import RECIPE, run, tiny_npz


@pytest.mark.e2e
def test_interrupting_keeps_finished_trials_and_leaves_no_process(comparison):
    assert comparison.status == 130, comparison.errors
    assert "Traceback" not in comparison.errors
    assert not comparison.left
    assert comparison.kept


@pytest.mark.e2e
def test_a_larger_comparison_keeps_finished_trials(comparison):
    trials = comparison.end.results.trials
    assert {(t.arm, t.seed) for t in trials} == {("none", 0), ("se", 0), ("cbam", 0), ("wide", 0)}
    assert all(path.stat().st_mtime_ns == when for path, when in comparison.kept.items())
    assert read_results(comparison.folder).trials == trials


@pytest.mark.e2e
def test_every_test_set_access_is_counted_once(comparison):
    trials = len(list(comparison.folder.glob("trials/*/*/trial.json")))
    looks = count_test_accesses(comparison.folder)
    assert comparison.end.results.test_accesses == looks
    # A trial that was stopped after its look, of the two under way, is trained again and looks again.
    assert 4 <= trials <= looks <= trials + 2


@pytest.mark.e2e
def test_costs_are_relative_to_the_plain_network(comparison):
    plain, *others = comparison.end.results.arms
    assert plain.is_plain
    assert plain.inference.ratio == plain.training.ratio == plain.memory.ratio == 1
    assert all(arm.parameters > plain.parameters for arm in others)
    assert [arm.is_control for arm in others] == [False, False, True]


@pytest.mark.e2e
def test_first_seed_is_ablated_from_its_validation_accuracy(comparison):
    results = comparison.end.results
    rows = {(row.arm, row.mode): row for row in results.ablations}
    assert {arm for arm, _ in rows} == {"se", "cbam"}
    assert {mode for _, mode in rows} == {"trained", "mean", "swapped", "permuted", "neutral"}
    val = {t.arm: t.val for t in results.trials if t.seed == 0}
    for arm in ("se", "cbam"):
        assert rows[arm, "trained"].accuracies == pytest.approx((val[arm].scores["accuracy"],))


@pytest.mark.e2e
def test_report_is_self_contained_and_names_full_command(comparison):
    page = (comparison.folder / "report.html").read_text()
    assert comparison.end.report == comparison.folder / "report.html"
    real = comparison.end.results.settings.real_run
    assert "--epochs 60" in real
    assert "--size 8" in real
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("data:image/png") >= 8


@pytest.mark.e2e
def test_the_settings_are_those_that_it_ran_with(comparison):
    settings = comparison.end.results.settings
    assert settings.workers == 2
    assert settings.threads >= 1
    assert settings.command == "a program in Python"


@pytest.mark.e2e
def test_folder_of_another_comparison_is_refused_and_unchanged(comparison):
    folder = comparison.folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=r"epochs was 1, now 2.*--out"):
        run(comparison.source, folder, "se", recipe=Recipe(epochs=2))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.e2e
@pytest.mark.parametrize(("name", "value"), [("device", "cuda"), ("torch", "1.0")])
def test_trials_of_another_device_or_pytorch_are_refused(comparison, name, value, tmp_path):
    copy = shutil.copytree(comparison.folder, tmp_path / "copy")
    made_with = json.loads((copy / DESIGN_FILE).read_text())
    (copy / DESIGN_FILE).write_text(json.dumps(made_with | {name: value}))
    with pytest.raises(RunError, match=f"{name} was {value}"):
        run(comparison.source, copy, "se")


def test_images_that_changed_within_one_program_are_refused(tmp_path, monkeypatch):
    class Claimed(Exception):
        """Raised instead of training, when the folder holds the comparison's settings."""

    def stop(*_):
        raise Claimed

    monkeypatch.setattr(importlib.import_module("regard.recipes.compare"), "_run", stop)
    source, out = tiny_npz(tmp_path), tmp_path / "run"
    with pytest.raises(Claimed):
        run(source, out)
    path = tmp_path / "thirds.npz"
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, "x_train": 255 - arrays["x_train"]})
    with pytest.raises(RunError, match="fingerprint"):
        run(source, out)


def test_a_mistake_leaves_no_claim_on_the_folder(tmp_path):
    source, out = tiny_npz(tmp_path), tmp_path / "run"
    for mistake in ({"model": "resnet9"}, {"size": 0}, {"seeds": 0}):
        with pytest.raises(RegardError):
            compare(("se",), **{"data": source, "out": str(out), "recipe": RECIPE, "device": "cpu"} | mistake)
    assert not out.exists()
