"""The bar says where the run is and goes away when it ends or breaks; without a terminal there is none."""

import io
import re

import pytest
import torch
from rich.console import Console

from regard.core import TrainingError
from regard.training import Recipe, fitting
from tests.training.conftest import fit_bars as fit


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as a terminal."""
    text = io.StringIO()
    monkeypatch.setattr(fitting, "Console", lambda stderr: Console(file=text, force_terminal=True, width=120))
    return text


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_sees_each_epoch(terminal, net, loader, classes):
    fit(
        net(),
        Recipe(epochs=2),
        loader(train=True),
        loader(train=False),
        classes=classes,
        folder=None,
        seed=0,
        device="cpu",
    )
    said = plain(terminal.getvalue())
    assert re.search(r"epoch 1/2  loss \d\.\d{3}  validation: accuracy \d+\.\d %, loss \d\.\d{3}  \d+\.\d s", said)
    assert "epoch 2/2  loss" in said
    assert "10/10" in said
    assert terminal.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in terminal.getvalue()


def test_a_broken_run_gives_the_cursor_back(terminal, net, loader, classes):
    made = net()
    with torch.no_grad():
        made[-1].weight.fill_(float("nan"))
    with pytest.raises(TrainingError):
        fit(made, Recipe(epochs=2), loader(train=True), None, classes=classes, folder=None, seed=0, device="cpu")
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")


def test_nothing_is_shown_where_it_is_not_wanted(terminal, net, loader, classes):
    fit(
        net(),
        Recipe(epochs=1),
        loader(train=True),
        None,
        classes=classes,
        folder=None,
        seed=0,
        device="cpu",
        progress=False,
    )
    assert terminal.getvalue() == ""
