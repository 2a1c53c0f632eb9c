"""The console: progress and remarks go to standard error, the result of a command to standard output."""

import os

from rich.console import Console

_WIDTH_OF_A_FILE = 120


def _console(*, stderr: bool) -> Console:
    made = Console(stderr=stderr, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDTH_OF_A_FILE
    return made


console = _console(stderr=True)
"""For progress bars and remarks."""

out = _console(stderr=False)
"""For the result of a command."""


def say(text: str, *, style: str | None = None) -> None:
    """Prints a remark as it is: brackets are not markup, and lines in a file are not wrapped."""
    console.print(text, style=style, markup=False, soft_wrap=not console.is_terminal)
