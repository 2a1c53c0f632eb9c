"""Rows go to CSV and through a checkpoint as they are."""

import csv
import io
import json

import torch

from regard.core import Epoch, Score, Scores
from regard.training.history import History, to_csv
from regard.training.tree import flatten, unflatten

VAL = Scores(all=(Score(name="error", value=0.1 + 0.2, better="lower", unit="px"),), choice="error")
ROWS = (
    Epoch(epoch=1, step=5, lr=0.1, train_loss=0.123456789012345678, val=VAL, seconds=0.25, parts={"l1": 0.1}),
    Epoch(epoch=2, step=10, lr=0.05, train_loss=0.1, val=VAL, seconds=0.5, parts={"l1": 0.2}),
)


def test_csv_keeps_every_digit():
    rows = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert [float(row["train_loss"]) for row in rows] == [row.train_loss for row in ROWS]
    assert float(rows[1]["val_error"]) == 0.1 + 0.2
    assert rows[1]["train_l1"] == "0.2"


def test_csv_without_rows_has_a_header():
    assert to_csv(()) == "epoch,step,lr,train_loss,seconds\n"


def test_a_history_goes_through_a_checkpoint():
    history, again = History(), History()
    history.rows, history.best, history.best_epoch = ROWS, {"a": torch.ones(2)}, 1
    tensors, rest = flatten(history.state_dict())
    again.load_state_dict(unflatten(json.loads(json.dumps(rest)), tensors))
    assert again.rows == ROWS
    assert again.best_epoch == 1
    assert torch.equal(again.best["a"], torch.ones(2))
    assert again.state_dict()["best_choice"] is None
