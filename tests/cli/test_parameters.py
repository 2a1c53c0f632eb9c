"""A recipe's signature becomes options; a settings record is laid out flat."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from regard.cli.parameters import Parameter, parameters_of, settings_of
from regard.cli.parser import CommandParser


@dataclass(frozen=True)
class Settings:
    epochs: int = 3
    clip: float | None = None


def recipe(
    *, data: str, images: tuple[Path, ...] = (), settings: Settings = Settings(epochs=7), mode: Literal["a", "b"] = "a"
): ...


@dataclass(frozen=True)
class Derived:
    optimizer: str = "sgd"
    lr: float | None = None

    def __post_init__(self):
        if self.lr is None:
            object.__setattr__(self, "lr", 0.1 if self.optimizer == "sgd" else 0.001)


def plain(*, settings: Derived = Derived()): ...


def chosen(*, settings: Derived = Derived(lr=0.3)): ...


def clash(*, epochs: int = 1, settings: Settings = Settings()): ...


def test_record_fields_become_options_with_the_recipes_defaults():
    found = parameters_of(recipe)
    assert list(found) == ["data", "images", "epochs", "clip", "mode"]
    assert found["epochs"].default == 7
    assert found["epochs"].record == "settings"
    assert settings_of(recipe) == {"settings": Settings(epochs=7)}


def test_types_say_how_many_values_of_what_kind():
    found = parameters_of(recipe)
    assert found["images"].many
    assert found["images"].item is Path
    assert found["clip"].optional
    assert found["clip"].plain is float
    assert found["mode"].choices == ("a", "b")
    assert found["data"].required
    assert not found["mode"].required


def test_an_option_is_typed_with_dashes():
    assert Parameter("batch_size", int, 1).flag == "--batch-size"


def test_two_options_of_one_name_are_our_bug():
    with pytest.raises(AssertionError, match="clash"):
        parameters_of(clash)


def test_derived_values_are_derived_again_unless_set():
    assert parameters_of(plain)["lr"].default is None
    assert parameters_of(chosen)["lr"].default == 0.3
    parser = CommandParser("x", plain)
    assert parser.parse(["--optimizer", "adamw"])["settings"] == Derived("adamw", 0.001)
