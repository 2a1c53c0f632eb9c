"""`regard data show`: the contents of a source of images."""

import json
import re
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
from regard.data import Account, Images, Reading, Source, fit_warnings, kind_of, preprocessing_for
from regard.recipes.show_caption import CaptionSummary, show_captions
from regard.recipes.show_clip import ClipSummary, show_clips
from regard.recipes.show_text import TextSummary, show_text
from regard.recipes.sources import open_with_bar
from regard.report.contact_sheet import COLUMNS, ROWS, ClassRow, contact_sheet

_LISTED = 20


@dataclass(frozen=True)
class DataSummary:
    """The contents of a source.

    Attributes:
        name: name of the source.
        classes: names of the classes in the order of their indices.
        counts: number of images of each class, by split.
        images: number of images, by split.
        channels: 1 for grey, 3 for RGB.
        multi_label: True if an image may have several classes.
        sizes: height and width of the smallest, the median and the largest training image, by area.
        mean: mean of each channel over the training images, for values from 0 to 1.
        std: standard deviation of each channel.
        account: which files were read, and which left out.
        value_range: of images with more than 8 bits, the values that become black and white.
        warnings: problems that may make results unreliable.
        notes: decisions made in opening the source.
        licence: licence of the images.
        fingerprint: a hash of classes, splits and contents.
        sheet: path of the contact sheet.
    """

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    images: Mapping[str, int]
    channels: int
    multi_label: bool
    sizes: dict[str, tuple[int, int]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    account: Account
    value_range: tuple[float, float] | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    licence: str
    fingerprint: str
    sheet: Path

    def __rich__(self) -> RenderableType:
        """Returns a table of the classes, then the facts."""
        table = Table("class", *self.counts, box=None, header_style="bold", pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for number, label in enumerate(self.classes[:_LISTED]):
            table.add_row(Text(label), *(f"{counts[number]:,}" for counts in self.counts.values()))
        if len(self.classes) > _LISTED:
            table.add_row(f"... and {len(self.classes) - _LISTED} more")
        table.add_row("[bold]images", *(f"[bold]{count:,}" for count in self.images.values()))
        facts = Table.grid(padding=(0, 2))
        for label, text in self._facts().items():
            facts.add_row(Text(label, style="bold"), Text(text))
        remarks = [Text(f"Warning: {warning}", style="yellow") for warning in self.warnings]
        return Group(Text(self.name, style="bold"), "", table, "", facts, *remarks)

    def _facts(self) -> dict[str, str]:
        kind = "grey" if self.channels == 1 else "RGB"
        sizes = {label: f"{h} x {w}" for label, (h, w) in self.sizes.items()}
        one = len(set(sizes.values())) == 1
        facts = {
            "values": f"{kind}; training images: mean {_numbers(self.mean)}, standard deviation {_numbers(self.std)}",
            "size": f"all {sizes['median']}" if one else ", ".join(f"{label} {size}" for label, size in sizes.items()),
            **({"range": "{:g} to {:g}".format(*self.value_range)} if self.value_range else {}),
            "classes": f"{len(self.classes)}, " + ("several per image" if self.multi_label else "one per image"),
            "splits": " ".join(self.notes) or "as they come with the source",
            "licence": self.licence or "not known: check it before you share the images",
            "fingerprint": self.fingerprint,
            "contact sheet": str(self.sheet),
        }
        facts[f"{self.account.unit}s"] = "\n".join(self.account.lines(_LISTED))
        return facts


def show_data(
    *,
    source: str,
    out: Path | None = None,
    seed: int = 0,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> DataSummary | TextSummary | CaptionSummary | ClipSummary:
    """Shows the contents of a source: classes, counts, sizes, statistics and a contact sheet; or pairs of texts.

    Writes `summary.json` and, of images and clips, `contact-sheet.png`.

    Args:
        source: source of the images: fashion-mini, mnist-mini, folder:PATH, npz:PATH or torchvision:NAME; `cluttered:`
            before one of them puts its images among clutter. Or texts, tsv:PATH; clips, clips:PATH; or sounds,
            sound:PATH.
        out: folder to write to; runs/data/NAME by default.
        seed: random seed of the splits that the source does not come with.
        reading: how the images are read and split.
    """
    folder = out or Path("runs/data") / re.sub(r"[^A-Za-z0-9_.-]+", "_", source).strip("_")
    if kind_of(source) in ("clip", "sound"):
        return show_clips(source, folder, reading, seed=seed)
    if kind_of(source) == "text":
        return show_text(source, folder, reading, seed=seed)
    if kind_of(source) == "caption":
        return show_captions(source, folder, reading, seed=seed)
    opened = open_with_bar(source, reading, seed=seed)
    sheet = write_whole(folder / "contact-sheet.png", sheet_of(opened))
    summary = _summary(opened, sheet)
    record = asdict(summary) | {"sheet": sheet.name, "account": summary.account.to_json()}
    write_whole(folder / "summary.json", as_bytes(json.dumps(record, indent=1, ensure_ascii=False)))
    return summary


def sheet_of(source: Source) -> bytes:
    """Draws a PNG image with a row for each of the first 24 classes: name, counts and ten training images."""
    counts = source.counts()
    rows = [
        ClassRow(label, [split[number] for split in counts.values()], _examples(source.splits["train"], number))
        for number, label in enumerate(source.classes[:ROWS])
    ]
    return contact_sheet(source.name, list(counts), rows, len(source.classes))


def _examples(images: Images, label: int) -> list[Tensor]:
    """Returns up to ten images of a class, always the same."""
    labels = images.labels
    members = (labels == label if labels.ndim == 1 else labels[:, label] > 0).nonzero()[:, 0]
    order = torch.randperm(len(members), generator=generator("contact sheet", label))
    return [images.read(int(i)) for i in members[order[:COLUMNS]]]


def _summary(source: Source, sheet: Path) -> DataSummary:
    train = source.splits["train"]
    sizes = train.sizes()
    ordered = sizes[sizes.prod(1).argsort(stable=True)].tolist()
    statistics = train.statistics()
    return DataSummary(
        name=source.name,
        classes=source.classes,
        counts={str(split): counts for split, counts in source.counts().items()},
        images={split: len(images) for split, images in source.splits.items()},
        channels=source.channels,
        multi_label=source.multi_label,
        sizes={
            label: (ordered[index][0], ordered[index][1])
            for label, index in (("smallest", 0), ("median", len(ordered) // 2), ("largest", -1))
        },
        mean=statistics.mean,
        std=statistics.std,
        account=source.account,
        value_range=source.value_range,
        warnings=(*source.warnings, *fit_warnings(source, preprocessing_for(source))),
        notes=source.notes,
        licence=source.licence,
        fingerprint=source.fingerprint,
        sheet=sheet,
    )


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
