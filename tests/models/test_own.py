"""Networks of the user, by the name of a function."""

import pytest
import torch

from regard import models
from regard.core import OptionError, UnknownNameError
from regard.models.own import is_module

CODE = """
from torch import nn

def build(num_classes, in_channels=3):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))

def without_channels(num_classes):
    return build(num_classes)

def without_classes(**options):
    return build(2)

def failing(num_classes):
    raise RuntimeError("too few")

def nothing(num_classes):
    return None
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_nets").mkdir()
    (tmp_path / "own_nets" / "__init__.py").touch()
    (tmp_path / "own_nets" / "small.py").write_text(CODE)
    yield "own_nets.small"
    for name in ("own_nets", "own_nets.small"):
        __import__("sys").modules.pop(name, None)


def test_the_function_gets_classes_and_channels(own):
    net = models.create(f"{own}:build", num_classes=7, in_channels=1, seed=0)
    assert net(torch.zeros(1, 1, 8, 8)).shape == (1, 7)
    assert models.create(f"{own}:without_channels", num_classes=5, seed=0)[0].in_channels == 3
    assert models.is_foreign(f"{own}:build")


def test_initial_values_follow_from_the_seed(own):
    first, second, third = (models.create(f"{own}:build", num_classes=2, seed=seed)[0].weight for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize(
    ("function", "error", "word"),
    [
        ("biuld", UnknownNameError, "build"),
        ("without_classes", OptionError, "does not take num_classes"),
        ("failing", OptionError, "too few"),
        ("nothing", OptionError, "must return a network"),
    ],
)
def test_a_function_that_builds_no_network_is_refused(own, function, error, word):
    with pytest.raises(error, match=word):
        models.create(f"{own}:{function}", seed=0)


def test_a_module_that_cannot_be_imported_is_refused(own, tmp_path):
    (tmp_path / "broken_nets.py").write_text("1 / 0")
    with pytest.raises(OptionError, match="ZeroDivisionError"):
        models.create("broken_nets:build", seed=0)
    with pytest.raises(UnknownNameError, match="timm, torchvision"):
        models.create("no_such_nets:build", seed=0)


def test_no_other_function_is_called():
    with pytest.raises(OptionError, match="num_classes"):
        models.create("os:abort", seed=0)


def test_names_of_modules():
    assert is_module("json")
    assert not is_module("no-module")
    assert not is_module("no_package.module")
