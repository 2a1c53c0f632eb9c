"""`regard data show` for clips and sounds: the contents of a source of them."""

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
from regard.data import Account, Clips, ClipSource, Reading, clip_preprocessing_for
from regard.recipes.clips import open_timed
from regard.report.contact_sheet import COLUMNS, ROWS, ClassRow, contact_sheet

_LISTED = 20
_SIDE = 96


@dataclass(frozen=True)
class ClipSummary:
    """The contents of a source of clips or sounds.

    Attributes:
        name: name of the source.
        kind: `clip` or `sound`.
        classes: names of the classes in the order of their numbers.
        counts: number of clips of each class, by split.
        channels: those of a network's input: 1 or 3 of clips, the bands of log-mel frames, those of a series.
        lengths: shortest, median and longest training clip, in frames, samples or steps.
        rate: samples a second of sounds; None of clips and series.
        sizes: the heights and widths of training clips, up to the first ten; empty of sounds.
        mean: mean of each channel over the frames of the training clips.
        std: standard deviation of each channel.
        account: which files were read, and which left out.
        warnings: problems that may make results unreliable.
        notes: decisions made in opening the source.
        fingerprint: a hash of classes, splits and contents.
        sheet: path of the contact sheet of clips; None of sounds.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    channels: int
    lengths: tuple[int, int, int]
    rate: int | None
    sizes: tuple[tuple[int, int], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    account: Account
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str
    sheet: Path | None

    def __rich__(self) -> RenderableType:
        """Returns a table of the classes, then the facts."""
        table = Table("class", *self.counts, box=None, header_style="bold", pad_edge=False)
        for number, label in enumerate(self.classes[:_LISTED]):
            table.add_row(Text(label), *(f"{counts[number]:,}" for counts in self.counts.values()))
        if len(self.classes) > _LISTED:
            table.add_row(f"... and {len(self.classes) - _LISTED} more")
        table.add_row(f"[bold]{self.kind}s", *(f"[bold]{sum(counts):,}" for counts in self.counts.values()))
        facts = Table.grid(padding=(0, 2))
        for label, text in self._facts().items():
            facts.add_row(Text(label, style="bold"), Text(text))
        remarks = [Text(f"Warning: {warning}", style="yellow") for warning in self.warnings]
        return Group(Text(self.name, style="bold"), "", table, "", facts, *remarks)

    def _facts(self) -> dict[str, str]:
        unit = "frames" if self.kind == "clip" else "steps" if self.rate is None else f"samples at {self.rate:,} Hz"
        low, middle, high = self.lengths
        shown = ", ".join(f"{h} x {w}" for h, w in self.sizes)
        few = slice(0, 3)
        more = ", ..." if len(self.mean) > 3 else ""
        return {
            "lengths": f"from {low:,} to {high:,} {unit}, the median {middle:,}",
            **({"size": shown} if shown else {}),
            "channels": str(self.channels),
            "values": f"mean {_numbers(self.mean[few])}{more}, standard deviation {_numbers(self.std[few])}{more}",
            "splits": " ".join(self.notes) or "as they come with the source",
            "fingerprint": self.fingerprint,
            **({"contact sheet": str(self.sheet)} if self.sheet else {}),
            f"{self.account.unit}s": "\n".join(self.account.lines(_LISTED)),
        }


def show_clips(source: str, out: Path, reading: Reading, *, seed: int = 0) -> ClipSummary:
    """Describes a source of clips or sounds and writes `summary.json`, and of clips `contact-sheet.png`, to a folder.

    Raises:
        RegardError: the source cannot be used, or the folder cannot be written to.
    """
    opened = open_timed(source, reading, seed=seed)
    preprocessing, train = clip_preprocessing_for(opened), opened.splits["train"]
    lengths = train.lengths.sort().values.tolist()
    sizes = train.sizes().unique(dim=0).tolist() if opened.kind == "clip" else []
    sheet = write_whole(out / "contact-sheet.png", _sheet(opened)) if opened.kind == "clip" else None
    found = ClipSummary(
        name=opened.name,
        kind=opened.kind,
        classes=opened.classes,
        counts={str(split): counts for split, counts in opened.counts().items()},
        channels=preprocessing.channels,
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        rate=train.rate,
        sizes=tuple((height, width) for height, width in sizes[:10]),
        mean=preprocessing.mean,
        std=preprocessing.std,
        account=opened.account,
        warnings=opened.warnings,
        notes=opened.notes,
        fingerprint=opened.fingerprint,
        sheet=sheet,
    )
    record = asdict(found) | {"sheet": sheet.name if sheet else None, "account": found.account.to_json()}
    write_whole(out / "summary.json", as_bytes(json.dumps(record, indent=1, ensure_ascii=False)))
    return found


def _sheet(source: ClipSource) -> bytes:
    """Draws a PNG image with a row for each of the first classes: the middle frames of up to ten training clips."""
    counts = source.counts()
    rows = [
        ClassRow(label, [split[number] for split in counts.values()], _examples(source.splits["train"], number))
        for number, label in enumerate(source.classes[:ROWS])
    ]
    return contact_sheet(source.name, list(counts), rows, len(source.classes), unit=source.kind)


def _examples(clips: Clips, label: int) -> list[Tensor]:
    """Returns the middle frames of up to ten clips of a class, always the same."""
    members = (clips.labels == label).nonzero()[:, 0]
    order = torch.randperm(len(members), generator=generator("contact sheet", label))
    chosen = members[order[:COLUMNS]].tolist()
    return [clips.read(i, clips.lengths[i : i + 1] // 2, (_SIDE, _SIDE))[:, 0] for i in chosen]


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
