"""Rows go to CSV and through a checkpoint as they are."""

import csv
import io
import json

import torch

from regard.training.history import EpochRow, History, to_csv
from regard.training.tree import flatten, unflatten

ROWS = (
    EpochRow(1, 5, 0.1, 0.123456789012345678, 1.5, 0.5, None, 0.25),
    EpochRow(2, 10, 0.05, 0.1, None, None, None, 0.5),
)


def test_csv_keeps_every_digit_and_leaves_gaps_empty():
    rows = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert [float(row["train_loss"]) for row in rows] == [row.train_loss for row in ROWS]
    assert (rows[1]["val_loss"], rows[0]["val_map"]) == ("", "")
    assert to_csv(()).splitlines() == [",".join(rows[0])]


def test_a_history_goes_through_a_checkpoint():
    history, again = History(), History()
    history.rows, history.best, history.best_epoch = ROWS, {"a": torch.ones(2)}, 1
    tensors, rest = flatten(history.state_dict())
    again.load_state_dict(unflatten(json.loads(json.dumps(rest)), tensors))
    assert again.rows == ROWS
    assert again.best_epoch == 1
    assert torch.equal(again.best["a"], torch.ones(2))
    assert again.state_dict()["best_choice"] == float("-inf")
