"""jsonargparse gives types and defaults; the run file and what was typed meet; errors speak of options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml

from regard.cli.parameters import Parameter
from regard.cli.parser import CommandParser, describe
from regard.cli.words import UsageError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the images.
        lr: learning rate.
    """

    epochs: int = 3
    lr: float = 0.1


def recipe(
    *,
    data: str,
    images: tuple[Path, ...] = (),
    settings: Settings = Settings(epochs=5),
    device: Literal["auto", "cpu"] = "auto",
    threads: int | None = None,
):
    """Trains.

    Args:
        data: where the images are.
        images: some images.
        settings: how.
        device: where it runs.
        threads: how many.
    """


@pytest.fixture
def parser():
    return CommandParser("train", recipe, "images")


def test_keywords_have_the_recipe_s_types_and_defaults(parser):
    assert parser.parse(["a.png", "--data", "folder:x", "--lr", "1e-3"]) == {
        "data": "folder:x",
        "images": (Path("a.png"),),
        "settings": Settings(epochs=5, lr=1e-3),
        "device": "auto",
        "threads": None,
    }


def test_numeric_text_stays_text(parser):
    assert parser.parse(["--data", "123"])["data"] == "123"


def test_typed_options_override_the_run_file(parser, tmp_path):
    run_file = tmp_path / "run.yaml"
    run_file.write_text("data: a\nepochs: 9\nlr: 0.5\nimages: [one.png]\n")
    keywords = parser.parse(["--epochs", "2", "--config", str(run_file)])
    assert keywords["settings"] == Settings(epochs=2, lr=0.5)
    assert keywords["data"] == "a"
    assert keywords["images"] == (Path("one.png"),)


def test_printed_settings_are_an_equivalent_run_file(parser, tmp_path):
    arguments = ["a.png", "--data", "x", "--threads", "2", "--lr", "0.25"]
    text = parser.parse([*arguments, "--print-config"])
    (tmp_path / "run.yaml").write_text(text)
    assert parser.parse(["--config", str(tmp_path / "run.yaml")]) == parser.parse(arguments)
    assert yaml.safe_load(text)["lr"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "regard train needs --data; see regard train --help"),
        (["--data", "x", "--lr", "fast"], "--lr fast is not allowed; it must be a number"),
        (["--data", "x", "--epochs", "2.5"], "--epochs 2.5 is not allowed; it must be a whole number"),
        (["--data", "x", "--device", "cup"], "--device cup is not allowed; it must be auto or cpu. Did you mean cpu"),
        (["--data", "x", "--threads", "many"], "--threads many is not allowed; it must be a whole number, or none"),
        (["--data", "x", "--config", "none.yaml"], "run file none.yaml does not exist"),
    ],
)
def test_wrong_values_are_reported_by_option_name(parser, arguments, said):
    with pytest.raises(UsageError, match=said):
        parser.parse(arguments)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch: 3", "sets 'epoch', which regard train does not have. Did you mean epochs"),
        ("- a", "must contain one `option: value`"),
        ("a: [", "cannot be read as YAML"),
        ("data: x\nlr: fast", "--lr fast is not allowed"),
    ],
)
def test_a_wrong_run_file_is_named(parser, tmp_path, text, said):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        parser.parse(["--data", "x", "--config", str(tmp_path / "run.yaml")])


def test_options_are_grouped_with_docstring_descriptions(parser):
    own, settings = parser.sections()
    assert settings.title == "How to train"
    assert [(p.name, text) for p, text in settings.options] == [
        ("epochs", "passes over the images."),
        ("lr", "learning rate."),
    ]
    assert [p.name for p, _ in own.options] == ["data", "images", "device", "threads"]


def test_several_choices_are_described():
    assert (
        describe(Parameter("x", tuple[Literal["a", "b", "c"], ...], ())) == "a, b or c, or several separated by spaces"
    )
    assert describe(Parameter("x", int | Literal["all"], 1)) == "a whole number or all"


def test_none_is_passed_where_it_is_allowed():
    from regard.recipes.show_data import show_data

    keywords = CommandParser("data show", show_data, "source").parse(
        ["folder:x", "--groups", "none", "--splits", "none", "--classes", "a,b", "--on-bad", "fail"]
    )
    reading = keywords["reading"]
    assert (reading.groups, reading.splits, reading.on_bad) == ("none", "none", "fail")
    assert reading.options()["classes"] == ["a", "b"]
