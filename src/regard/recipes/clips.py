"""Clips and sounds for a command: sources opened, the record of a run on them, and the network of such a record."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from regard import models, training
from regard.core.errors import CheckpointError, OptionError, RegardError, RunError
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.core.seeding import use_seed
from regard.data import (
    ClipPreprocessing,
    Clips,
    ClipSource,
    Reading,
    kind_of,
    open_clips,
    open_clips_to_score,
    open_sound,
    open_sound_to_score,
)
from regard.data.source import Split
from regard.recipes.console import say
from regard.recipes.network import weights_path
from regard.recipes.sources import show_progress
from regard.training import Recipe, load_weights

if TYPE_CHECKING:
    from regard.training import Classification

CLIP_MODELS = {"clip": "clipnet", "sound": "resnet1d"}
"""The network that each kind is trained with where none is named."""

_VALUES = 16_000_000
_MOST = 256
_REASONS = 6


def open_timed(data: str, reading: Reading, *, seed: int = 0) -> ClipSource:
    """Opens `clips:PATH` or `sound:PATH` to train on.

    Raises:
        OptionError: the reading says what is about images.
        DataError: the source cannot be used.
    """
    open_kind = open_sound if kind_of(data) == "sound" else open_clips
    with show_progress() as progress:
        return open_kind(data, seed=seed, on_bad=only_bad(data, reading).on_bad, progress=progress)


def report_timed(source: ClipSource) -> None:
    """Prints the notes and warnings of a source, and what was left out."""
    for note in source.notes:
        say(note)
    for warning in source.warnings:
        say(f"warning: {warning}", style="yellow")
    if not source.account.complete:
        say("\n".join(source.account.lines(_REASONS)), style="yellow")


def timed_task(source: ClipSource, recipe: Recipe | None = None, labels: Tensor | None = None) -> "Classification":
    """Returns the task of a network on a source: to classify its clips; with a recipe as it is trained."""
    if recipe is None:
        return training.Classification(source.classes)
    return training.Classification.trained_by(recipe, source.classes, labels=labels)


def timed_record(
    network: NetworkRecord, source: ClipSource, preprocessing: ClipPreprocessing, *, data: str, reading: Reading
) -> RunRecord:
    """Returns the record of a run that classifies the clips, or sounds, of a source.

    Args:
        network: the network.
        source: the clips.
        preprocessing: of a clip.
        data: name of the source, as given.
        reading: how it is read.
    """
    task = timed_task(source).to_json()
    return RunRecord(
        network=network,
        input=InputRecord(kind=source.kind, options=preprocessing.to_json()),
        task=TaskRecord(name=task["name"], options=task["options"], classes=tuple(task["classes"])),
        data=DataRecord(name=data, reading=reading.changed_options(), fingerprint=source.fingerprint),
    )


def build_timed_network(network: NetworkRecord, *, classes: int, channels: int, seed: int) -> nn.Module:
    """The network that a record names, for so many classes and input channels."""
    return models.create_clip_network(
        network.name,
        num_classes=classes,
        in_channels=channels,
        attention=network.options.get("attention"),
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class LoadedClips:
    """A trained network that classifies clips or sounds, ready to use.

    Attributes:
        net: in evaluation mode, on the CPU.
        record: description of the run that trained it.
        metadata: all that its file says.
        preprocessing: of a clip.
        path: of the weights file.
    """

    net: nn.Module
    record: RunRecord
    metadata: dict[str, Any]
    preprocessing: ClipPreprocessing
    path: Path

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs."""
        return self.record.task.classes

    @property
    def name(self) -> str:
        """The network's name with its attention, for people."""
        return str(self.record.network)

    @property
    def unit(self) -> str:
        """The word for an example: `clip` or `sound`."""
        return str(self.record.input.kind)


def load_clip_network(run: str | Path) -> LoadedClips:
    """Loads the network of a run's folder or of a weights file, which classifies clips or sounds.

    Raises:
        RunError: a folder without weights, or a network that takes another kind of input.
        CheckpointError: a file that is damaged, or of a network that cannot be built.
    """
    path = weights_path(run)
    state, metadata = load_weights(path)
    record = RunRecord.from_json(metadata.get("run"), f"{path}: its record of the run")
    if record.input.kind not in CLIP_MODELS:
        raise RunError(f"{path} holds a network that takes {record.input.kind}s, not clips or sounds.")
    try:
        preprocessing = ClipPreprocessing.from_json(record.input.options, str(path))
        with use_seed(0):
            net = build_timed_network(
                record.network, classes=len(record.task.classes), channels=preprocessing.channels, seed=0
            )
        models.load_state(net, state)
    except RegardError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return LoadedClips(net.eval(), record, metadata, preprocessing, path)


@dataclass(frozen=True)
class JudgedClips:
    """The clips that a trained network is judged by: a source, and which of its splits."""

    source: ClipSource
    split: Split

    @property
    def clips(self) -> Clips:
        """Those of the split."""
        return self.source.splits[self.split]


def open_clips_for(loaded: LoadedClips, data: str | None, split: Split | None, reading: Reading) -> JudgedClips:
    """The clips that a trained network is to be judged by: those of `data`, or a split of what it was trained on.

    Raises:
        RunError: its own source holds other clips by now, or another source has no such split.
    """
    known, unit = loaded.record.data, loaded.unit
    scheme = "clips" if unit == "clip" else unit
    if known is None and data is None:
        raise OptionError(f"{loaded.path} names no data: name the {unit}s with --data {scheme}:PATH.")
    if known is not None and data in (None, known.name):
        source = open_timed(known.name, Reading(**(known.reading | reading.changed_options())))
        if known.fingerprint not in (None, source.fingerprint):
            raise RunError(
                f"{known.name} holds other {unit}s than when {loaded.path} was trained, so its splits may have been "
                "cut anew: put new ones into a place of their own and name it with --data, or bring the old ones back."
            )
        if split == "all":
            raise RunError(f"The network was trained on a part of {known.name}: score its val or test split, not all.")
        return JudgedClips(source, split or "val")
    assert data is not None
    if kind_of(data) != unit:
        raise OptionError(f"{loaded.path} takes {unit}s: name them with --data {scheme}:PATH, not {data}.")
    source = _open_other(loaded, data, only_bad(data, reading))
    chosen: Split = split if split in source.splits and split is not None else "all"
    if split not in (None, chosen):
        say(f"{source.name} has no splits of its own: all {len(source.splits['all']):,} {unit}s are scored.")
    return JudgedClips(source, chosen)


def _open_other(loaded: LoadedClips, data: str, reading: Reading) -> ClipSource:
    fingerprint = loaded.record.data.fingerprint if loaded.record.data else None
    with show_progress() as progress:
        given: dict[str, Any] = {"fingerprint": fingerprint, "on_bad": reading.on_bad, "progress": progress}
        if loaded.unit == "sound":
            return open_sound_to_score(data, loaded.classes, loaded.preprocessing, **given)
        return open_clips_to_score(data, loaded.classes, **given)


def clips_at_once(clips: Clips, preprocessing: ClipPreprocessing) -> int:
    """Returns a batch size for inference: at most 256, fewer for long or large clips."""
    longest = int(clips.lengths.max())
    if preprocessing.mel is not None:
        longest = preprocessing.mel.frames(longest)
    height, width = preprocessing.size or (1, 1)
    values = min(longest, preprocessing.frames or longest) * height * width * preprocessing.channels
    return max(1, min(_MOST, _VALUES // max(1, values)))


def only_bad(data: str, reading: Reading) -> Reading:
    """The reading, where nothing in it is about images."""
    others = [name for name in reading.changed_options() if name != "on_bad"]
    if others:
        raise OptionError(
            f"{data}: {others[0]}={reading.changed_options()[others[0]]!r} is not allowed with clips or sounds; it is "
            "about images. Their options stand behind the path, as in clips:videos:frames=16,sampling=random."
        )
    return reading


def check_timed_settings(owner: str, **options: object) -> None:
    """Raises an `OptionError` where an option that clips and sounds do not have is not as usual.

    Args:
        owner: the command.
        options: each option's value where it is not as usual, else None.
    """
    for name, value in options.items():
        if value is not None:
            raise OptionError(
                f"{owner}: {name}={value!r} is not allowed with clips or sounds: leave it out; options of theirs "
                "stand behind the path, as in clips:videos:frames=16,size=112."
            )
