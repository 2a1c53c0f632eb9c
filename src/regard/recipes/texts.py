"""Text for a command: pairs opened, the record of a run on them, and the network of such a record."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from regard import models, training
from regard.core.errors import CheckpointError, OptionError, RunError
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.core.seeding import use_seed
from regard.data import CaptionSource, Reading, TextCode, TextSource, open_text, open_text_to_score
from regard.data.source import Split
from regard.recipes.console import say
from regard.recipes.network import weights_path
from regard.training import Recipe, load_weights

if TYPE_CHECKING:
    from regard.training import Sequences

BATCH = 256
"""So many texts run through a network at once where none is trained."""

_REASONS = 6


def open_pairs(data: str, reading: Reading, *, seed: int = 0) -> TextSource:
    """Opens `tsv:PATH` to train on.

    Raises:
        OptionError: the reading says what is about images.
        DataError: see `open_text`.
    """
    return open_text(data, seed=seed, on_bad=_only_bad(data, reading).on_bad)


def report_pairs(source: TextSource | CaptionSource) -> None:
    """Says what was decided in opening a source, what may spoil a result, and what became of every line."""
    for note in source.notes:
        say(note)
    for warning in source.warnings:
        say(f"warning: {warning}", style="yellow")
    if not source.account.complete:
        say("\n".join(source.account.lines(_REASONS)), style="yellow")


def text_task(code: TextCode, recipe: Recipe | None = None, *, beams: int = 1) -> "Sequences":
    """The task of writing texts; with a recipe as it is trained, else by a search with so many beams."""
    if recipe is None:
        return training.Sequences(code.target, longest=code.longest, beams=beams)
    return training.Sequences.trained_by(recipe, code.target, longest=code.longest)


def text_record(
    network: NetworkRecord, source: TextSource, code: TextCode, *, data: str, reading: Reading
) -> RunRecord:
    """Returns the record of a run that has a network write the texts of a source.

    Args:
        network: the network.
        source: the pairs.
        code: their vocabularies.
        data: the source as it was asked for.
        reading: how it was read.
    """
    task = text_task(code).to_json()
    return RunRecord(
        network=network,
        input=InputRecord(kind="text", options={"vocabulary": code.source.to_json(), "limit": code.limit}),
        task=TaskRecord(name=task["name"], options=task["options"]),
        data=DataRecord(name=data, reading=reading.changed_options(), fingerprint=source.fingerprint),
    )


def text_code(record: RunRecord, where: str) -> TextCode:
    """The vocabularies that a record in the file `where` names.

    Raises:
        CheckpointError: there are none.
    """
    given, task = record.input.options, record.task.options
    try:
        parts = {"source": given["vocabulary"], "target": task["vocabulary"]}
        return TextCode.from_json(parts | {"longest": task["longest"], "limit": given["limit"]}, where)
    except KeyError as error:
        raise CheckpointError(
            f"{where} names no {error} of its texts: it was written by another version of regard or by another "
            "program. Train again, or read it with the version that wrote it."
        ) from error


def build_text_network(network: NetworkRecord, code: TextCode, *, seed: int) -> nn.Module:
    """The network that a record names, for these vocabularies."""
    return models.create_seq2seq(
        network.name,
        source_symbols=len(code.source),
        target_symbols=len(code.target),
        attention=network.options.get("attention"),
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class LoadedText:
    """A trained network that writes text, ready to use.

    Attributes:
        net: in evaluation mode, on the CPU.
        record: what the run that trained it is.
        metadata: all that its file says.
        code: its vocabularies.
        path: of the weights file.
    """

    net: nn.Module
    record: RunRecord
    metadata: dict[str, Any]
    code: TextCode
    path: Path

    @property
    def name(self) -> str:
        """The network's name with its attention, for people."""
        return str(self.record.network)


def load_text_network(run: str | Path) -> LoadedText:
    """Loads the network of a run's folder or of a weights file, which writes text.

    Raises:
        RunError: a folder without weights, or a network that takes no text.
        CheckpointError: a file that is damaged, or of a network that cannot be built.
    """
    path = weights_path(run)
    state, metadata = load_weights(path)
    record = RunRecord.from_json(metadata.get("run"), f"{path}: its record of the run")
    if record.input.kind != "text":
        raise RunError(f"{path} holds a network that takes {record.input.kind}s, not text.")
    code = text_code(record, str(path))
    try:
        with use_seed(0):
            net = build_text_network(record.network, code, seed=0)
        models.load_state(net, state)
    except (CheckpointError, OptionError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return LoadedText(net.eval(), record, metadata, code, path)


@dataclass(frozen=True)
class JudgedText:
    """The texts that a trained network is judged by.

    Attributes:
        source: where they come from.
        split: which of its splits.
    """

    source: TextSource
    split: Split


def open_text_for(loaded: LoadedText, data: str | None, split: Split | None, reading: Reading) -> JudgedText:
    """The texts that a trained network is to be judged by: those of `data`, or a split of what it was trained on.

    Raises:
        RunError: its own source holds other texts by now, or another source has no such split.
    """
    known = loaded.record.data
    if known is None and data is None:
        raise OptionError(f"{loaded.path} names no data: name the texts with --data tsv:PATH.")
    if known is not None and data in (None, known.name):
        own = Reading(**(known.reading | reading.changed_options()))
        source = open_pairs(known.name, own)
        if known.fingerprint not in (None, source.fingerprint):
            raise RunError(
                f"{known.name} holds other texts than when {loaded.path} was trained, so its splits may have been cut "
                "anew: put new texts into a file of their own and name it with --data, or bring the old ones back."
            )
        if split == "all":
            raise RunError(f"The network was trained on a part of {known.name}: score its val or test texts, not all.")
        return JudgedText(source, split or "val")
    assert data is not None
    source = open_text_to_score(data, on_bad=_only_bad(data, reading).on_bad)
    if split not in (None, "all"):
        say(
            f"{source.name} is not what the network was trained on: all {len(source.splits['all']):,} texts are scored."
        )
    return JudgedText(source, "all")


def _only_bad(data: str, reading: Reading) -> Reading:
    """The reading, where nothing in it is about images."""
    others = [name for name in reading.changed_options() if name != "on_bad"]
    if others:
        raise OptionError(
            f"{data}: {others[0]}={reading.changed_options()[others[0]]!r} is not allowed with text; it is about "
            "images. Options of text stand behind its path, as in tsv:words.tsv:target=phonemes,longest=200."
        )
    return reading


def check_text_settings(owner: str, *, kind: str = "text", **options: object) -> None:
    """Raises an `OptionError` where an option that is about images or classes is not as usual with text.

    Args:
        owner: the command.
        kind: what is not compatible with the options, `text` or `captions`.
        options: each option's value where it is not as usual, else None.
    """
    for name, value in options.items():
        if value is not None:
            about = "images" if kind == "text" else "classes"
            raise OptionError(
                f"{owner}: {name}={value!r} is not allowed with {kind}; it is about {about}: leave it out."
            )


def unknown_symbols(unknown: int, of: int) -> None:
    """Warns where texts hold symbols that a network never met."""
    if unknown:
        say(
            f"warning: {unknown:,} of {of:,} texts hold symbols that the network never met; it reads each of them as "
            "unknown.",
            style="yellow",
        )
