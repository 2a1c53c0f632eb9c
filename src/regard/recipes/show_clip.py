"""`regard data show` for clips and sounds: the contents of a source, and a sheet of a frame of some clips."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor

from regard.core.files import as_bytes, write_whole
from regard.core.seeding import generator
from regard.data import Account, ClipSource, Reading, clip_preprocessing_for
from regard.recipes.clips import open_timed
from regard.report.contact_sheet import COLUMNS, ROWS, ClassRow, contact_sheet

_LISTED = 20


@dataclass(frozen=True)
class ClipSummary:
    """The contents of a source of clips or sounds.

    Attributes:
        name: name of the source.
        kind: `clip` or `sound`.
        classes: the names of the classes.
        counts: the number of examples of each class, by split.
        channels: of a frame, or of a sound's input of the network.
        lengths: shortest, median and longest training example: frames of a clip, samples of a sound, steps of a series.
        sizes: the sizes (h, w) of the training clips that there are; empty for sounds.
        preprocessing: what a network is given, as a run would record it.
        account: which files were read, and which left out.
        warnings: problems that may make results unreliable.
        notes: decisions made in opening the source.
        fingerprint: a hash of splits and contents.
        sheet: the contact sheet of clips; None for sounds.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    channels: int
    lengths: tuple[int, int, int]
    sizes: tuple[tuple[int, ...], ...]
    preprocessing: Mapping[str, object]
    account: Account
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str
    sheet: Path | None = None

    def __rich__(self) -> RenderableType:
        """Returns the counts of the classes, then the facts."""
        table = Table("class", *self.counts, box=None, header_style="bold", pad_edge=False)
        for number, name in enumerate(self.classes[:ROWS]):
            table.add_row(Text(name), *(f"{split[number]:,}" for split in self.counts.values()))
        facts = Table.grid(padding=(0, 2))
        for label, text in self._facts().items():
            facts.add_row(Text(label, style="bold"), Text(text))
        remarks = [Text(f"Warning: {warning}", style="yellow") for warning in self.warnings]
        return Group(Text(self.name, style="bold"), "", table, "", facts, *remarks)

    def _facts(self) -> dict[str, str]:
        low, middle, high = self.lengths
        found = {
            f"{self.kind}s": ", ".join(f"{split} {sum(counts):,}" for split, counts in self.counts.items()),
            "channels": str(self.channels),
            "lengths": f"from {low:,} to {high:,}, the median {middle:,}",
        }
        if self.sizes:
            sizes = [" x ".join(map(str, size)) for size in self.sizes[:3]]
            found["sizes"] = ", ".join(sizes) + f" and {len(self.sizes) - 3} more" * (len(self.sizes) > 3)
        found |= {
            "splits": " ".join(self.notes) or "as they come with the source",
            "fingerprint": self.fingerprint,
            "files": "\n".join(self.account.lines(_LISTED)),
        }
        return found | ({"sheet": str(self.sheet)} if self.sheet else {})


def show_clips(source: str, out: Path, reading: Reading, *, seed: int = 0) -> ClipSummary:
    """Describes a source of clips or sounds; writes `summary.json` and, of clips, `contact-sheet.png` into a folder.

    Raises:
        RegardError: the source cannot be used, or the folder cannot be written to.
    """
    opened = open_timed(source, reading, seed=seed)
    train, kept = opened.splits["train"], clip_preprocessing_for(opened)
    lengths = train.lengths.sort().values.tolist()
    sheet = None if opened.kind == "sound" else write_whole(out / "contact-sheet.png", clip_sheet_of(opened))
    found = ClipSummary(
        name=opened.name,
        kind=opened.kind,
        classes=opened.classes,
        counts={str(split): counts for split, counts in opened.counts().items()},
        channels=kept.channels,
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        sizes=tuple(sorted({tuple(size) for size in train.sizes().tolist() if size})),
        preprocessing=kept.to_json(),
        account=opened.account,
        warnings=opened.warnings,
        notes=opened.notes,
        fingerprint=opened.fingerprint,
        sheet=sheet,
    )
    record = asdict(found) | {"account": found.account.to_json(), "sheet": sheet.name if sheet else None}
    write_whole(out / "summary.json", as_bytes(json.dumps(record, indent=1, ensure_ascii=False)))
    return found


def clip_sheet_of(source: ClipSource) -> bytes:
    """Draws a PNG image with a row for each of the first 24 classes: the middle frame of ten training clips."""
    counts = source.counts()
    rows = [
        ClassRow(name, [split[number] for split in counts.values()], _middle_frames(source, number))
        for number, name in enumerate(source.classes[:ROWS])
    ]
    return contact_sheet(source.name, list(counts), rows, len(source.classes))


def _middle_frames(source: ClipSource, label: int) -> list[Tensor]:
    """Returns the middle frames of up to ten clips of a class, always the same."""
    train = source.splits["train"]
    members = (train.labels == label).nonzero()[:, 0]
    order = torch.randperm(len(members), generator=generator("contact sheet", label))
    chosen = members[order[:COLUMNS]].tolist()
    return [train.read(index, train.lengths[index : index + 1] // 2)[:, 0] for index in chosen]
