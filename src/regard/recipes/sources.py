"""Opens a source for a command: with a bar, where its pictures are looked at for the first time."""

from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from regard.data import PIXEL_LIMIT, Source, open_source
from regard.recipes.console import console

_AT_ONCE = 500


def open_with_bar(
    text: str,
    *,
    seed: int = 0,
    on_bad_image: Literal["skip", "fail"] = "skip",
    labels: str | Path | None = None,
    max_pixels: int = PIXEL_LIMIT,
) -> Source:
    """`regard.data.open_source`, with a progress bar where more than 500 picture files are to be looked at.

    Args:
        text: the source, as `open_source` takes it.
        seed: cuts the splits that the source does not have.
        on_bad_image: whether a picture that cannot be used is left out or an error.
        labels: a CSV file with the classes of each picture.
        max_pixels: a picture with more pixels cannot be used.
    """
    with ExitStack() as stack:
        tasks: list[TaskID] = []
        columns = (TextColumn("Looking at the pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

        def show(done: int, total: int) -> None:
            if total > _AT_ONCE:
                if not tasks:
                    stack.enter_context(bar)
                    tasks.append(bar.add_task("", total=total))
                bar.update(tasks[0], completed=done)

        return open_source(
            text, seed=seed, on_bad_image=on_bad_image, labels=labels, max_pixels=max_pixels, progress=show
        )
