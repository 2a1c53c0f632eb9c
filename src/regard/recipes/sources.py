"""Opens a source for a command: with a bar where its pictures are looked at for the first time, or for a network."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from regard.core.errors import DataError, OptionError, RunError
from regard.data import PIXEL_LIMIT, Source, open_source
from regard.recipes.console import console
from regard.recipes.network import Loaded

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

        return open_source(text, seed=seed, on_bad=on_bad_image, labels=labels, max_pixels=max_pixels, progress=show)


def open_for_network(
    loaded: Loaded, data: str | None, labels: str | None, on_bad_image: Literal["skip", "fail"]
) -> Source:
    """The pictures that a trained network is to be judged by: those of `data`, or of what it was trained on.

    Args:
        loaded: the network with what its file says.
        data: a source; None for the one that the network was trained on.
        labels: the CSV of the source; None for the one that goes with the network's own source.
        on_bad_image: whether a picture that cannot be used is left out or an error.

    Raises:
        OptionError: no `data`, and the network's file names none.
        DataError: the source cannot be opened.
        RunError: it has other classes, or is the network's own and holds other pictures by now, so that pictures which
            the network was trained on may have come into the other splits.
    """
    known = loaded.metadata.get("data")
    known = known if isinstance(known, dict) else {}
    name = data or known.get("name")
    if not name:
        raise OptionError(f"{loaded.path} does not say what it was trained on: name the pictures with --data.")
    own = name == known.get("name")
    try:
        source = open_with_bar(
            name, on_bad_image=on_bad_image, labels=known.get("labels") if own and labels is None else labels
        )
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{error} This is what {loaded.path} was trained on: where it lies elsewhere now, name it with --data."
        ) from error
    if (source.classes, source.multi_label) != (loaded.classes, loaded.multi_label):
        raise RunError(
            f"{loaded.path} tells {_list(loaded.classes, loaded.multi_label)} apart, but the classes of {name} are "
            f"{_list(source.classes, source.multi_label)}: name pictures with the same classes in the same order."
        )
    if own and known.get("fingerprint") not in (None, source.fingerprint):
        raise RunError(
            f"{name} holds other pictures than when {loaded.path} was trained, so its splits may have been cut anew "
            "and pictures that the network was trained on may be among those to judge it by: put new pictures into a "
            "folder of their own and name it with --data, or bring the old ones back."
        )
    return source


def _list(names: Sequence[str], multi_label: bool) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more + " (several a picture)" * multi_label
