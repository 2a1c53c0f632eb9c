import csv
import io
from dataclasses import replace

import pytest

from regard.core import RunError
from regard.report import read_results, write_results
from regard.report.files import arms_csv, trials_csv


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_results_are_read_from_folder_or_file(results, tmp_path):
    paths = write_results(results, tmp_path / "run")
    assert [p.name for p in paths] == ["results.json", "results.csv", "arms.csv"]
    assert read_results(tmp_path / "run") == results
    assert read_results(paths[0]) == results
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["arms.csv", "results.csv", "results.json"]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        read_results(tmp_path)


def test_a_row_for_each_trial(results):
    table = rows(trials_csv(results))
    assert len(table) == len(results.trials)
    for row, trial in zip(table, results.trials, strict=True):
        assert (row["arm"], int(row["seed"])) == (trial.arm, trial.seed)
        assert float(row["test_accuracy"]) == trial.test.scores["accuracy"]
        assert float(row["final_train_loss"]) == trial.history[-1].train_loss


def test_what_was_not_measured_is_an_empty_cell(results):
    trial = replace(results.trials[0], test=None, history=())
    arm = replace(results.arms[0], inference=None, memory=None)
    bare = replace(results, arms=(arm,), trials=(trial,), comparisons=())
    (row,) = rows(trials_csv(bare))
    assert row["test_accuracy"] == row["final_train_loss"] == ""
    (row,) = rows(arms_csv(bare))
    assert row["inference_ratio"] == row["peak_memory_bytes"] == row["verdict"] == ""
    assert row["parameters"] == "77850"


def test_arm_row_has_comparison_with_plain(results):
    by_arm = {row["arm"]: row for row in rows(arms_csv(results))}
    for one in results.against():
        assert by_arm[one.arm]["verdict"] == (one.verdict or "")
        if one.difference is not None:
            assert float(by_arm[one.arm]["difference"]) == one.difference
