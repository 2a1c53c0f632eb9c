"""Opens a source for a command: with a bar where its images are looked at for the first time, or for a network."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor

from regard import models, training
from regard.core.errors import DataError, OptionError, RunError
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.data import Preprocessing, Reading, Source, open_for_scoring, open_source, scoring_warnings
from regard.data.checking import Progress
from regard.data.source import Split
from regard.recipes.console import console, say
from regard.recipes.network import Loaded
from regard.training import Recipe

if TYPE_CHECKING:
    from regard.training import Classification, Glimpses

_AT_ONCE = 500
_REASONS = 6


@contextmanager
def looking() -> Iterator[Progress]:
    """A progress bar for `open_source`, where more than 500 image files are to be looked at."""
    with ExitStack() as stack:
        tasks: list[TaskID] = []
        columns = (TextColumn("Looking at the images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)

        def show(done: int, total: int) -> None:
            if total > _AT_ONCE:
                if not tasks:
                    stack.enter_context(bar)
                    tasks.append(bar.add_task("", total=total))
                bar.update(tasks[0], completed=done)

        yield show


def open_with_bar(text: str, reading: Reading = Reading(), *, seed: int = 0) -> Source:  # noqa: B008 (frozen)
    """`regard.data.open_source`, with a progress bar where more than 500 image files are to be looked at.

    Args:
        text: the source, as `open_source` takes it.
        reading: how its images are read.
        seed: cuts the splits that the source does not have.
    """
    with looking() as progress:
        return open_source(text, seed=seed, progress=progress, **reading.options())


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
    network: NetworkRecord, source: Source, preprocessing: Preprocessing, *, data: str, reading: Reading
) -> RunRecord:
    """What a run is that has a network classify the images of a source.

    Args:
        network: the network.
        source: the images.
        preprocessing: how an image becomes what the network takes.
        data: the source as it was asked for.
        reading: how its images are read and divided.
    """
    looks = models.is_looker(network.name, network.options.get("attention"))
    task = task_of(source, looks=looks).to_json()
    asked = reading.changed_options()
    read = DataRecord(name=data, labels=asked.pop("labels", None), reading=asked, fingerprint=source.fingerprint)
    return RunRecord(
        network=network,
        input=InputRecord(kind="image", options=preprocessing.to_json()),
        task=TaskRecord(name=task["name"], options=task["options"], classes=tuple(task["classes"])),
        data=read,
    )


def report_source(source: Source) -> None:
    """Says what was decided in opening a source, what may spoil a result, and what became of every file."""
    for note in source.notes:
        say(note)
    for warning in source.warnings:
        say(f"warning: {warning}", style="yellow")
    if not source.account.complete:
        say("\n".join(source.account.lines(_REASONS)), style="yellow")


@dataclass(frozen=True)
class Judged:
    """The images that a trained network is judged by.

    Attributes:
        source: where they come from.
        own: whether it is the source that the network was trained on, with its splits.
    """

    source: Source
    own: bool

    def split(self, wanted: Split | None) -> Split:
        """The split to score: the one that is wanted; of another source all images, unless it has that split.

        Raises:
            RunError: the source has splits of its own, but not that one.
        """
        splits = self.source.splits
        if self.own or "all" not in splits:
            if wanted == "all":
                raise RunError(
                    f"The network was trained on a part of {self.source.name}: score its val or test images, not all."
                )
            return wanted or "val"
        if wanted is None or wanted in splits:
            return wanted or "all"
        own = [split for split in splits if split != "all"]
        if own:
            raise RunError(
                f"{self.source.name} has no split {wanted!r} but {' and '.join(own)}: name one of them with --split, "
                "or leave --split out to score all its images."
            )
        say(f"{self.source.name} has no splits of its own: all {len(splits['all']):,} images are scored.")
        return "all"


def open_for_network(loaded: Loaded, data: str | None, reading: Reading = Reading()) -> Judged:  # noqa: B008 (frozen)
    """The images that a trained network is to be judged by: those of `data`, or of what it was trained on.

    Another source than the network's own is not cut into splits, and its classes are matched by name.

    Args:
        loaded: the network with what its file says.
        data: a source; None for the one that the network was trained on.
        reading: how its images are read; what is left at its default is as it was for the network's own source.

    Raises:
        OptionError: no `data`, and the network's file names none.
        DataError: the source cannot be opened.
        RunError: it has other classes, or is the network's own and holds other images by now, so that images which
            the network was trained on may have come into the other splits.
    """
    known = loaded.record.data
    name = data or (known.name if known else None)
    if not name:
        raise OptionError(f"{loaded.path} does not say what it was trained on: name the images with --data.")
    own = known if known and name == known.name else None
    if own is None:
        return _another(loaded, name, reading, known)
    try:
        source = open_with_bar(name, _as_trained(reading, own))
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{error} This is what {loaded.path} was trained on: where it lies elsewhere now, name it with --data."
        ) from error
    if (source.classes, source.multi_label) != (loaded.classes, loaded.multi_label):
        raise RunError(
            f"{loaded.path} tells {_list(loaded.classes, loaded.multi_label)} apart, but the classes of {name} are "
            f"{_list(source.classes, source.multi_label)}: name images with the same classes."
        )
    if own.fingerprint not in (None, source.fingerprint):
        raise RunError(
            f"{name} holds other images than when {loaded.path} was trained, so its splits may have been cut anew "
            "and images that the network was trained on may be among those to judge it by: put new images into a "
            "folder of their own and name it with --data, or bring the old ones back."
        )
    return Judged(source, own=True)


def _as_trained(reading: Reading, known: DataRecord) -> Reading:
    """The reading of the training, with what was asked for now over it."""
    return Reading(**({"labels": known.labels} | known.reading | reading.changed_options()))


def _another(loaded: Loaded, name: str, reading: Reading, known: DataRecord | None) -> Judged:
    fingerprint = known.fingerprint if known else None
    before = known.reading.get("groups", "auto") if known else "auto"
    groups = before if reading.labels is not None or before in ("folder", "none") else "auto"
    options = reading.options() | {"groups": groups}
    options["value_range"] = reading.value_range or loaded.preprocessing.value_range
    try:
        with looking() as progress:
            source = open_for_scoring(name, loaded.classes, fingerprint=fingerprint, progress=progress, **options)
    except DataError as error:
        raise type(error)(f"{error} {loaded.path} tells {_list(loaded.classes, loaded.multi_label)} apart.") from error
    if source.multi_label != loaded.multi_label:
        raise RunError(
            f"{loaded.path} tells {_list(loaded.classes, loaded.multi_label)} apart, but the classes of {name} are "
            f"{_list(source.classes, source.multi_label)}: name images with the same kind of labels."
        )
    if "all" not in source.splits:
        return Judged(source, own=True)
    warnings = (*source.warnings, *scoring_warnings(source, loaded.preprocessing))
    return Judged(replace(source, warnings=warnings), own=False)


def _list(names: Sequence[str], multi_label: bool) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more + " (several an image)" * multi_label
