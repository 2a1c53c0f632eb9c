"""Images with texts for a command: opened, with the record of a run on them and the network of such a record."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from regard import models, training
from regard.core.errors import CheckpointError, OptionError, RegardError, RunError
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.core.seeding import use_seed
from regard.data import CaptionCode, CaptionSource, Fit, Reading, open_captions, open_captions_to_score
from regard.data.depth import parse_range
from regard.data.preprocessing import preprocessing_for
from regard.data.source import Split
from regard.recipes.console import say
from regard.recipes.network import weights_path
from regard.recipes.sources import show_progress
from regard.training import Recipe, load_weights

if TYPE_CHECKING:
    from regard.training import Sequences

CAPTION_MODEL = "captioner"
"""The network that writes about images where none is named."""

_OPTIONS = ("on_bad", "max_pixels", "value_range")


def open_captioned(data: str, reading: Reading, *, seed: int = 0) -> CaptionSource:
    """Opens `captions:PATH` to train on, with a progress bar.

    Raises:
        OptionError: the reading says what is about classes.
        DataError: see `open_captions`.
    """
    with show_progress() as progress:
        return open_captions(data, seed=seed, progress=progress, **_reading_options(data, reading))


def learn_code(source: CaptionSource, size: int | str | None, fit: Fit) -> CaptionCode:
    """The preprocessing and the vocabulary by the training split of a source."""
    return CaptionCode.learn(source, preprocessing_for(source.images(), size, fit=fit))


def caption_task(code: CaptionCode, recipe: Recipe | None = None, *, beams: int = 1) -> "Sequences":
    """The task of writing about images; with a recipe as it is trained, else by a search with so many beams."""
    if recipe is None:
        return training.Sequences(code.target, longest=code.longest, beams=beams)
    return training.Sequences.trained_by(recipe, code.target, longest=code.longest, images=True)


def caption_record(
    network: NetworkRecord, source: CaptionSource, code: CaptionCode, *, data: str, reading: Reading
) -> RunRecord:
    """Returns the record of a run that has a network write about the images of a source.

    Args:
        network: the network.
        source: the images with their texts.
        code: their preprocessing and vocabulary.
        data: the source as it was asked for.
        reading: how it was read.
    """
    task = caption_task(code).to_json()
    return RunRecord(
        network=network,
        input=InputRecord(kind="image", options=code.preprocessing.to_json()),
        task=TaskRecord(name=task["name"], options=task["options"]),
        data=DataRecord(name=data, reading=reading.changed_options(), fingerprint=source.fingerprint),
    )


def build_captioner(network: NetworkRecord, code: CaptionCode, *, seed: int) -> nn.Module:
    """The network that a record names, for this vocabulary and these images."""
    return models.create_captioner(
        network.name,
        symbols=len(code.target),
        in_channels=code.preprocessing.channels,
        attention=network.options.get("attention"),
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class LoadedCaptioner:
    """A trained network that writes about images, ready to use.

    Attributes:
        net: in evaluation mode, on the CPU.
        record: what the run that trained it is.
        metadata: all that its file says.
        code: its preprocessing and vocabulary.
        path: of the weights file.
    """

    net: nn.Module
    record: RunRecord
    metadata: dict[str, Any]
    code: CaptionCode
    path: Path

    @property
    def name(self) -> str:
        """The network's name with its attention, for people."""
        return str(self.record.network)


def load_captioner(run: str | Path) -> LoadedCaptioner:
    """Loads the network of a run's folder or of a weights file, which writes about images.

    Raises:
        RunError: a folder without weights, or a network for something else.
        CheckpointError: a file that is damaged, or of a network that cannot be built.
    """
    path = weights_path(run)
    state, metadata = load_weights(path)
    record = RunRecord.from_json(metadata.get("run"), f"{path}: its record of the run")
    if record.input.kind != "image" or record.task.name != "sequences":
        raise RunError(f"{path} holds a network that does not write about images.")
    try:
        code = CaptionCode.from_json(record.input.options, record.task.options, str(path))
        with use_seed(0):
            net = build_captioner(record.network, code, seed=0)
        models.load_state(net, state)
    except (RegardError, KeyError) as error:
        raise CheckpointError(
            f"{path}: {error}. Train again with this version, or read it with the version that wrote it."
        ) from error
    return LoadedCaptioner(net.eval(), record, metadata, code, path)


@dataclass(frozen=True)
class JudgedCaptions:
    """The images with texts that a trained network is judged by.

    Attributes:
        source: where they come from.
        split: which of its splits.
    """

    source: CaptionSource
    split: Split


def open_captions_for(
    loaded: LoadedCaptioner, data: str | None, split: Split | None, reading: Reading
) -> JudgedCaptions:
    """The images that a trained network is to be judged by: those of `data`, or a split of what it was trained on.

    Raises:
        RunError: its own source holds other images by now, or another source has no such split.
    """
    known = loaded.record.data
    if known is None and data is None:
        raise OptionError(f"{loaded.path} names no data: name the images with --data captions:PATH.")
    if known is not None and data in (None, known.name):
        source = open_captioned(known.name, Reading(**(known.reading | reading.changed_options())))
        if known.fingerprint not in (None, source.fingerprint):
            raise RunError(
                f"{known.name} holds other images or texts than when {loaded.path} was trained, so its splits may have "
                "been cut anew: put new ones into a folder of their own and name it with --data, or bring the old ones "
                "back."
            )
        if split == "all":
            raise RunError(f"The network was trained on a part of {known.name}: score its val or test images, not all.")
        return JudgedCaptions(source, split or "val")
    assert data is not None
    options = _reading_options(data, reading)
    options["value_range"] = options["value_range"] or loaded.code.preprocessing.value_range
    with show_progress() as progress:
        source = open_captions_to_score(data, progress=progress, **options)
    if split not in (None, "all"):
        say(f"{source.name} is not what the network was trained on: all {len(source.splits['all']):,} images are used.")
    return JudgedCaptions(source, "all")


def _reading_options(data: str, reading: Reading) -> dict[str, Any]:
    """The options of reading images; an error where one is about classes."""
    others = [name for name in reading.changed_options() if name not in _OPTIONS]
    if others:
        raise OptionError(
            f"{data}: {others[0]}={reading.changed_options()[others[0]]!r} is not allowed with captions; it is about "
            "classes. Options of texts stand behind the path, as in captions:photos:target=characters."
        )
    given = {name: getattr(reading, name) for name in _OPTIONS}
    return given | {"value_range": parse_range(reading.value_range)}
