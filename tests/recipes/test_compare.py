"""A comparison end to end on small pictures: kept trials, refused folders, honest bookkeeping."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from regard.core import RegardError, RunError
from regard.recipes.compare import DESIGN_FILE, compare
from regard.recipes.ledger import count_looks
from regard.report import read_results
from regard.training import Recipe

RECIPE = Recipe(epochs=1, batch_size=16, optimizer="adamw", lr=0.01)


def tiny_npz(folder):
    """Three classes of 8x8 pictures, told apart by which third is bright."""
    rng = np.random.default_rng(0)

    def pictures(count):
        labels = np.arange(count, dtype=np.uint8) % 3
        images = rng.integers(0, 120, (count, 8, 8), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 3 * label : 3 * label + 2] += 120
        return images, labels

    (x_train, y_train), (x_val, y_val), (x_test, y_test) = (pictures(n) for n in (48, 18, 24))
    path = folder / "thirds.npz"
    np.savez(path, x_train=x_train, y_train=y_train, x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test)
    return f"npz:{path}"


def run(source, out, *arms, seeds=1, recipe=RECIPE, **options):
    fixed = {"pictures": "all", "size": 8, "device": "cpu", "workers": 2}
    return compare(arms, data=source, seeds=seeds, out=str(out), recipe=recipe, **fixed, **options)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A comparison of one arm and one seed, then the same folder with another arm, a control and another seed."""
    folder = tmp_path_factory.mktemp("compare")
    source, out = tiny_npz(folder), folder / "run"
    small = run(source, out, "se")
    kept = {path: path.stat().st_mtime_ns for path in out.glob("trials/*/*/trial.json")}
    large = run(source, out, "se", "cbam", "wide", seeds=2)
    return source, out, small, kept, large


@pytest.mark.slow
def test_a_larger_comparison_keeps_finished_trials(grown):
    _, out, small, kept, large = grown
    assert len(small.results.trials) == 2
    assert len(large.results.trials) == 8
    assert len(kept) == 2
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    before = {(t.arm, t.seed): t for t in small.results.trials}
    after = {(t.arm, t.seed): t for t in large.results.trials}
    assert all(after[key] == trial for key, trial in before.items())
    assert read_results(out).trials == large.results.trials


@pytest.mark.slow
def test_every_look_at_the_test_pictures_is_counted_once(grown):
    _, out, _, _, large = grown
    assert large.results.test_looks == count_looks(out) == 8


@pytest.mark.slow
def test_costs_are_relative_to_the_plain_network(grown):
    *_, large = grown
    plain, *others = large.results.arms
    assert plain.is_plain
    assert plain.inference.ratio == plain.training.ratio == plain.memory.ratio == 1
    assert all(arm.parameters > plain.parameters for arm in others)
    assert [arm.is_control for arm in others] == [False, False, True]


@pytest.mark.slow
def test_the_first_seed_is_ablated_and_trained_rows_are_the_validation_accuracy(grown):
    *_, large = grown
    rows = {(row.arm, row.mode): row for row in large.results.ablations}
    assert {arm for arm, _ in rows} == {"se", "cbam"}
    assert {mode for _, mode in rows} == {"trained", "mean", "swapped", "permuted", "neutral"}
    val = {t.arm: t.val for t in large.results.trials if t.seed == 0}
    for arm in ("se", "cbam"):
        assert rows[arm, "trained"].accuracies == pytest.approx((val[arm].scores["accuracy"],))


@pytest.mark.slow
def test_the_report_stands_alone_and_names_a_real_run(grown):
    _, out, _, _, large = grown
    page = (out / "report.html").read_text()
    assert large.report == out / "report.html"
    assert "--epochs 60" in large.results.settings.real_run
    assert "--size 8" in large.results.settings.real_run
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("data:image/png") >= 8


@pytest.mark.slow
def test_the_settings_are_those_that_it_ran_with(grown):
    *_, large = grown
    assert large.results.settings.workers == 2
    assert large.results.settings.threads >= 1
    assert large.results.settings.command == "a program in Python"


@pytest.mark.slow
def test_pictures_that_changed_within_one_program_are_refused(grown, tmp_path):
    source, out = tiny_npz(tmp_path), tmp_path / "run"
    run(source, out)
    path = tmp_path / "thirds.npz"
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, "x_train": 255 - arrays["x_train"]})
    with pytest.raises(RunError, match="fingerprint"):
        run(source, out)


@pytest.mark.slow
def test_a_folder_of_another_comparison_is_refused_and_left_alone(grown):
    source, out, *_ = grown
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=r"epochs was 1, is now 2.*--out"):
        run(source, out, "se", recipe=Recipe(epochs=2))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_interrupting_keeps_finished_trials_and_leaves_no_process(tmp_path):
    source, out = tiny_npz(tmp_path), tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        "import sys; from regard.cli.main import main; sys.exit(main())",
        "compare",
        "se",
        "cbam",
        "--data",
        source,
        "--out",
        str(out),
    ]
    command += ["--seeds", "40", "--pictures", "all", "--epochs", "3", "--device", "cpu", "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("trials/*/*/trial.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(out.glob("trials/*/*/trial.json"))
    deadline = time.monotonic() + 60
    while _alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _alive(process.pid)


def _alive(group):
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), [("device", "cuda"), ("torch", "1.0")])
def test_trials_of_another_device_or_pytorch_are_not_mixed_with_these(grown, name, value, tmp_path):
    source, out, *_ = grown
    copy = shutil.copytree(out, tmp_path / "copy")
    made_with = json.loads((copy / DESIGN_FILE).read_text())
    (copy / DESIGN_FILE).write_text(json.dumps(made_with | {name: value}))
    with pytest.raises(RunError, match=f"{name} was {value}"):
        run(source, copy, "se")


def test_a_mistake_leaves_no_claim_on_the_folder(tmp_path):
    source, out = tiny_npz(tmp_path), tmp_path / "run"
    for mistake in ({"model": "resnet9"}, {"size": 0}, {"seeds": 0}):
        with pytest.raises(RegardError):
            compare(("se",), **{"data": source, "out": str(out), "recipe": RECIPE, "device": "cpu"} | mistake)
    assert not out.exists()
