"""Help shows the docstring, every option and its default."""

from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from regard.cli.commands import COMMANDS
from regard.cli.pages import command_page, overview
from regard.cli.parser import CommandParser


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the images.
    """

    epochs: int = 3


def recipe(
    *,
    data: str,
    images: tuple[str, ...] = (),
    settings: Settings = Settings(),
    device: Literal["auto", "cpu"] = "auto",
    resume: bool = False,
    progress: bool = True,
    order: Literal["alphabetical", "reverse", "shuffled", "as given"] = "reverse",
):
    """Trains one network.

    More is said here.

    Args:
        data: where the images are.
        images: some images.
        settings: how.
        device: where it runs.
        resume: go on.
        progress: show a bar.
        order: in which order.

    Returns:
        Nothing.
    """


def text_of(page):
    console = Console(width=110)
    with console.capture() as capture:
        console.print(page)
    return capture.get()


def test_command_pages_have_usage_options_and_defaults():
    text = text_of(command_page(CommandParser("train", recipe, "images"), recipe))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "regard train [IMAGE ...] --data DATA [OPTIONS]"
    assert "More is said here." in lines
    assert "--data DATA where the images are. [required]" in lines
    assert "--device auto|cpu where it runs. [default: auto]" in lines
    assert "--resume go on." in lines
    assert "--[no-]progress show a bar. [default: True]" in lines
    assert "How to train" in lines
    assert "--epochs N passes over the images. [default: 3]" in lines
    assert "One of alphabetical, reverse, shuffled, as given. [default: reverse]" in text
    assert "Returns" not in text
    assert "[IMAGE ...] some images." in lines


def test_the_overview_has_a_line_for_each_command():
    text = text_of(overview(COMMANDS))
    for command in COMMANDS:
        assert f"  {command.name} " in text
