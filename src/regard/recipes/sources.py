"""Open a source of images for a command or for a trained network, with a progress bar."""

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
def show_progress() -> Iterator[Progress]:
    """Shows a progress bar for `open_source` if more than 500 image files are to be checked."""
    with ExitStack() as stack:
        tasks: list[TaskID] = []
        columns = (TextColumn("Checking the images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)

        def show(done: int, total: int) -> None:
            if total > _AT_ONCE:
                if not tasks:
                    stack.enter_context(bar)
                    tasks.append(bar.add_task("", total=total))
                bar.update(tasks[0], completed=done)

        yield show


def open_with_bar(text: str, reading: Reading = Reading(), *, seed: int = 0) -> Source:  # noqa: B008 (frozen)
    """Opens a source with `regard.data.open_source`, with a progress bar for more than 500 image files.

    Args:
        text: name of the source, as for `open_source`.
        reading: how the images are read.
        seed: random seed of the splits that the source does not come with.
    """
    with show_progress() as progress:
        return open_source(text, seed=seed, progress=progress, **reading.options())


def task_of(
    source: Source, recipe: Recipe | None = None, labels: Tensor | None = None, *, looks: bool = False
) -> "Classification | Glimpses":
    """Returns the task of a network on a source: to classify its images.

    Args:
        source: images with their classes.
        recipe: settings of the training, for its loss; None without training.
        labels: labels of all training images, for class weights.
        looks: True if the network chooses where to look, see `Looker`.

    Raises:
        OptionError: a network that chooses where to look, and images with several classes.
    """
    if looks and source.multi_label:
        raise OptionError(
            f"{source.name}: its images may have several classes, and a network that chooses where to look is rewarded "
            "for a single one: use another network, or other data."
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
    """Returns the record of a run that classifies the images of a source.

    Args:
        network: the network.
        source: the images.
        preprocessing: preprocessing of an image.
        data: name of the source, as given.
        reading: how the images are read and split.
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
    """Prints the notes and warnings of a source, and which files were left out."""
    for note in source.notes:
        say(note)
    for warning in source.warnings:
        say(f"warning: {warning}", style="yellow")
    if not source.account.complete:
        say("\n".join(source.account.lines(_REASONS)), style="yellow")


@dataclass(frozen=True)
class ScoredSource:
    """The source that a trained network is scored on.

    Attributes:
        source: the images.
        own: True if it is the source that the network was trained on, with its splits.
    """

    source: Source
    own: bool

    def split(self, wanted: Split | None) -> Split:
        """Returns the split to score: the given one; of another source all images, unless it has that split.

        Raises:
            RunError: the source has its own splits, but not that one.
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
                f"{self.source.name} has no split {wanted!r}, but {' and '.join(own)}: name one of them with --split, "
                "or leave --split out to score all its images."
            )
        say(f"{self.source.name} has no splits of its own: all {len(splits['all']):,} images are scored.")
        return "all"


def open_for_network(loaded: Loaded, data: str | None, reading: Reading = Reading()) -> ScoredSource:  # noqa: B008 (frozen)
    """Opens the images to score a trained network on: those of `data`, or of the source that it was trained on.

    Another source is not divided into splits, and its classes are matched by name.

    Args:
        loaded: the network and its metadata.
        data: name of a source; None for the one that the network was trained on.
        reading: how the images are read; defaults are replaced by the values of the network's training.

    Raises:
        OptionError: no `data`, and the weights file does not name a source.
        DataError: the source cannot be opened.
        RunError: it has other classes, or its images have changed since the training, so that training images may
            now be in other splits.
    """
    known = loaded.record.data
    name = data or (known.name if known else None)
    if not name:
        raise OptionError(f"{loaded.path} does not say what it was trained on: name the images with --data.")
    own = known if known and name == known.name else None
    if own is None:
        return _open_other(loaded, name, reading, known)
    try:
        source = open_with_bar(name, _merge_reading(reading, own))
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{error} {loaded.path} was trained on this source: if it was moved, name it with --data."
        ) from error
    if (source.classes, source.multi_label) != (loaded.classes, loaded.multi_label):
        raise RunError(
            f"{loaded.path} has the classes {_list(loaded.classes, loaded.multi_label)}, but the classes of {name} are "
            f"{_list(source.classes, source.multi_label)}: name images with the same classes."
        )
    if own.fingerprint not in (None, source.fingerprint):
        raise RunError(
            f"{name} contains other images than when {loaded.path} was trained, so its splits may have changed and "
            "training images may be among those to score: put new images into a separate folder and name it with "
            "--data, or restore the old ones."
        )
    return ScoredSource(source, own=True)


def _merge_reading(reading: Reading, known: DataRecord) -> Reading:
    """Returns how images were read in training, with the options given now replacing those."""
    return Reading(**({"labels": known.labels} | known.reading | reading.changed_options()))


def _open_other(loaded: Loaded, name: str, reading: Reading, known: DataRecord | None) -> ScoredSource:
    fingerprint = known.fingerprint if known else None
    before = known.reading.get("groups", "auto") if known else "auto"
    groups = before if reading.labels is not None or before in ("folder", "none") else "auto"
    options = reading.options() | {"groups": groups}
    options["value_range"] = reading.value_range or loaded.preprocessing.value_range
    try:
        with show_progress() as progress:
            source = open_for_scoring(name, loaded.classes, fingerprint=fingerprint, progress=progress, **options)
    except DataError as error:
        raise type(error)(
            f"{error} {loaded.path} has the classes {_list(loaded.classes, loaded.multi_label)}."
        ) from error
    if source.multi_label != loaded.multi_label:
        raise RunError(
            f"{loaded.path} has the classes {_list(loaded.classes, loaded.multi_label)}, but the classes of {name} are "
            f"{_list(source.classes, source.multi_label)}: name images with the same kind of labels."
        )
    if "all" not in source.splits:
        return ScoredSource(source, own=True)
    warnings = (*source.warnings, *scoring_warnings(source, loaded.preprocessing))
    return ScoredSource(replace(source, warnings=warnings), own=False)


def _list(names: Sequence[str], multi_label: bool) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more + " (several per image)" * multi_label
