"""Logs are cut back to a step, whatever state a stopped run left them in."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from regard.training import Recipe, logs
from regard.training.logs import EVENTS, STEPS, cut_events, cut_steps
from tests.training.conftest import fit_bars as fit


def events(path):
    accumulator = EventAccumulator(str(path), purge_orphaned_data=False, size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [e.step for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


@pytest.fixture
def run(tmp_path, net, loader, classes):
    fit(
        net(),
        Recipe(epochs=2),
        loader(train=True),
        loader(train=False),
        classes=classes,
        folder=tmp_path,
        seed=0,
        device="cpu",
    )
    return tmp_path


def test_what_is_logged(run):
    assert events(run / EVENTS) == {
        "train/loss": list(range(1, 11)),
        "train/lr": list(range(1, 11)),
        "epoch/train_loss": [5, 10],
        "epoch/val_loss": [5, 10],
        "epoch/val_accuracy": [5, 10],
        "epoch/val_balanced_accuracy": [5, 10],
        "epoch/val_calibration_error": [5, 10],
    }
    rows = (run / STEPS).read_text().splitlines()
    assert rows[0] == "step,epoch,lr,loss"
    assert [row.split(",")[:2] for row in rows[1:]] == [[str(n), "1" if n <= 5 else "2"] for n in range(1, 11)]


def test_logs_end_at_the_step_cut_to(run):
    cut_events(run / EVENTS, 5)
    cut_steps(run / STEPS, 5)
    assert events(run / EVENTS)["train/loss"] == [1, 2, 3, 4, 5]
    assert events(run / EVENTS)["epoch/val_loss"] == [5]
    assert len((run / STEPS).read_text().splitlines()) == 6
    cut_events(run / EVENTS, 0)
    cut_steps(run / STEPS, 0)
    assert events(run / EVENTS) == {}
    assert (run / STEPS).read_text() == "step,epoch,lr,loss\n"


@pytest.mark.parametrize("lost", [1, 7, 30])
def test_half_written_records_are_left_out(run, lost):
    """As after a power failure: the end of each file is missing."""
    for name, cut in ((EVENTS, cut_events), (STEPS, cut_steps)):
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[:-lost])
        cut(run / name, 100)
    assert events(run / EVENTS)["train/loss"][:9] == list(range(1, 10))
    assert (run / STEPS).read_text().splitlines()[-1].count(",") == 3


def test_long_runs_log_a_bounded_number_of_points(tmp_path, net, loader, classes, monkeypatch):
    monkeypatch.setattr(logs, "_POINTS", 4)
    fit(net(), Recipe(epochs=2), loader(train=True), None, classes=classes, folder=tmp_path, seed=0, device="cpu")
    steps = [int(row.split(",")[0]) for row in (tmp_path / STEPS).read_text().splitlines()[1:]]
    assert steps == [1, 3, 6, 9]
