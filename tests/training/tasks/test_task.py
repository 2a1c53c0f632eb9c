"""Training and evaluation know no task by name: one with errors to make small goes through all of it."""

import csv

import pytest
import torch

from regard.core import CheckpointError, OptionError
from regard.training import Classification, Recipe, evaluate, fit
from regard.training.tasks import judged_by
from tests.training.distances import Distance, linear, sums, whole

# So high a rate that the error rises again: the best epoch is not the last.
RECIPE = Recipe(epochs=4, lr=0.2, momentum=0.0, weight_decay=0.0, warmup_epochs=0, keep="best")


def run(net, folder, train=None, **options):
    train = train or whole(sums(40, 0))
    return fit(net, RECIPE, Distance(), train, whole(sums(24, 1)), folder=folder, seed=0, device="cpu", **options)


def test_the_lowest_error_is_kept(tmp_path):
    net = linear()
    found = run(net, tmp_path)
    errors = [row.val["mean_absolute_error"] for row in found.history]
    assert found.kept_epoch == errors.index(min(errors)) + 1
    assert evaluate(net, sums(24, 1), Distance(), device="cpu").scores == found.history[found.kept_epoch - 1].val


def test_a_resumed_run_is_the_same_run(tmp_path, stopping, same):
    whole_net, resumed = linear(), linear()
    expected = run(whole_net, tmp_path / "whole")
    with pytest.raises(RuntimeError):
        run(linear(), tmp_path / "run", stopping(whole(sums(40, 0)), 12, RuntimeError()))
    found = run(resumed, tmp_path / "run", resume=True)
    assert same(whole_net, resumed)
    assert [row.val for row in found.history] == [row.val for row in expected.history]
    assert found.kept_epoch == expected.kept_epoch
    assert (tmp_path / "run/steps.csv").read_bytes() == (tmp_path / "whole/steps.csv").read_bytes()


def test_scores_and_parts_are_logged_by_name(tmp_path):
    found = run(linear(), tmp_path)
    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["val_mean_absolute_error"]) == found.history[-1].val["mean_absolute_error"]
    assert float(rows[-1]["train_squared"]) == found.history[-1].parts["squared"]
    assert (tmp_path / "steps.csv").read_text().startswith("step,epoch,lr,loss,absolute,squared\n")


def test_another_task_cannot_resume_it(tmp_path):
    run(linear(), tmp_path)
    with pytest.raises(CheckpointError, match="task was 'distance', is now 'classification'"):
        fit(
            linear(), RECIPE, Classification("ab"), whole(sums(40, 0)), whole(sums(24, 1)), folder=tmp_path, seed=0,
            device="cpu", resume=True,
        )  # fmt: skip


def test_without_right_answers_nothing_is_judged():
    found = evaluate(linear(), sums(24, 1), Distance(), device="cpu")
    assert (found.n, found.right) == (24, None)
    with pytest.raises(OptionError, match="'distance' does not define correct outputs"):
        judged_by(Distance())(linear(), sums(8, 1)[0])


def test_a_judge_says_one_for_right(net, loader):
    batch = next(iter(loader(train=False)))
    made = net().eval()
    right = made(batch.images).argmax(1) == batch.labels
    with torch.no_grad():
        assert judged_by(Classification("abc"))(made, batch).tolist() == right.double().tolist()
