"""Opens a source for a command: with a bar where its pictures are looked at for the first time, or for a network."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from regard import models, training
from regard.core.errors import DataError, OptionError, RunError
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.data import PIXEL_LIMIT, Preprocessing, Source, open_source
from regard.recipes.console import console
from regard.recipes.network import Loaded
from regard.training import Recipe

if TYPE_CHECKING:
    from regard.training import Classification, Glimpses

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


def task_of(
    source: Source, recipe: Recipe | None = None, labels: Tensor | None = None, *, looks: bool = False
) -> "Classification | Glimpses":
    """What a network is to do with the images of a source: to classify them.

    Args:
        source: the images with their classes.
        recipe: how it is trained, for the loss in training; None where nothing is trained.
        labels: of all training images, for class weights.
        looks: whether the network chooses where to look, see `Looker`.

    Raises:
        OptionError: such a network, and images with several classes.
    """
    if looks and source.multi_label:
        raise OptionError(
            f"{source.name}: its images may have several classes, and a network that chooses where to look is rewarded "
            "for the right one: take another network, or other data."
        )
    if looks:
        made = training.Glimpses
        return made(source.classes) if recipe is None else made.trained_by(recipe, source.classes, labels=labels)
    classification = training.Classification
    if recipe is None:
        return classification(source.classes, multi_label=source.multi_label)
    return classification.trained_by(recipe, source.classes, multi_label=source.multi_label, labels=labels)


def record_of(
    network: NetworkRecord, source: Source, preprocessing: Preprocessing, *, data: str, labels: str | None
) -> RunRecord:
    """What a run is that has a network classify the images of a source.

    Args:
        network: the network.
        source: the images.
        preprocessing: how an image becomes what the network takes.
        data: the source as it was asked for.
        labels: the CSV file of its labels, or None.
    """
    looks = models.is_looker(network.name, network.options.get("attention"))
    task = task_of(source, looks=looks).to_json()
    return RunRecord(
        network=network,
        input=InputRecord(kind="image", options=preprocessing.to_json()),
        task=TaskRecord(name=task["name"], options=task["options"], classes=tuple(task["classes"])),
        data=DataRecord(name=data, labels=labels, fingerprint=source.fingerprint),
    )


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
    known = loaded.record.data
    name = data or (known.name if known else None)
    if not name:
        raise OptionError(f"{loaded.path} does not say what it was trained on: name the pictures with --data.")
    own = known if known and name == known.name else None
    try:
        source = open_with_bar(name, on_bad_image=on_bad_image, labels=own.labels if own and labels is None else labels)
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
    if own and own.fingerprint not in (None, source.fingerprint):
        raise RunError(
            f"{name} holds other pictures than when {loaded.path} was trained, so its splits may have been cut anew "
            "and pictures that the network was trained on may be among those to judge it by: put new pictures into a "
            "folder of their own and name it with --data, or bring the old ones back."
        )
    return source


def _list(names: Sequence[str], multi_label: bool) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more + " (several a picture)" * multi_label
