"""`regard data show` for images with texts: the contents of such a source."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard.core.files import as_bytes, write_whole
from regard.data import Account, Reading
from regard.recipes.captioning import learn_code, open_captioned

_LISTED = 20
_SHOWN = 5


@dataclass(frozen=True)
class CaptionSummary:
    """The contents of a source of images with texts.

    Attributes:
        name: name of the source.
        images: number of images, by split.
        texts: number of texts about them, by split.
        units: what a symbol of a text is.
        symbols: number of different symbols of the training split.
        lengths: shortest, median and longest training text, in symbols.
        size: height and width that the images are brought to.
        examples: the first training images with their texts.
        account: which lines were read, and which left out.
        warnings: problems that may make results unreliable.
        notes: decisions made in opening the source.
        fingerprint: a hash of splits and contents.
    """

    name: str
    images: Mapping[str, int]
    texts: Mapping[str, int]
    units: str
    symbols: int
    lengths: tuple[int, int, int]
    size: tuple[int, int]
    examples: tuple[tuple[str, str], ...]
    account: Account
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str

    def __rich__(self) -> RenderableType:
        """Returns the first images with their texts, then the facts."""
        pairs = Table("image", "caption", box=None, header_style="bold", pad_edge=False)
        for image, text in self.examples:
            pairs.add_row(Text(image), Text(text))
        facts = Table.grid(padding=(0, 2))
        for label, text in self._facts().items():
            facts.add_row(Text(label, style="bold"), Text(text))
        remarks = [Text(f"Warning: {warning}", style="yellow") for warning in self.warnings]
        return Group(Text(self.name, style="bold"), "", pairs, "", facts, *remarks)

    def _facts(self) -> dict[str, str]:
        low, middle, high = self.lengths
        counts = (f"{split} {count:,} with {self.texts[split]:,} texts" for split, count in self.images.items())
        return {
            "images": ", ".join(counts),
            "input": f"{self.size[0]} x {self.size[1]} pixels",
            "captions": f"{self.units}, {self.symbols:,} different ones; from {low} to {high} in a text, the median "
            f"{middle}",
            "splits": " ".join(self.notes) or "as they come with the source",
            "fingerprint": self.fingerprint,
            "lines": "\n".join(self.account.lines(_LISTED)),
        }


def show_captions(source: str, out: Path, reading: Reading, *, seed: int = 0) -> CaptionSummary:
    """Describes a source of images with texts and writes `summary.json` into a folder.

    Raises:
        RegardError: the source cannot be used, or the folder cannot be written to.
    """
    opened = open_captioned(source, reading, seed=seed)
    code, train = learn_code(opened, None, "crop"), opened.splits["train"]
    lengths = [len(row) - 1 for row in code.target.encode(train.targets)]
    names = {split: {part.images.names(i) for i in range(len(part))} for split, part in opened.splits.items()}
    found = CaptionSummary(
        name=opened.name,
        images={str(split): len(own) for split, own in names.items()},
        texts={str(split): count for split, count in opened.account.used.items()},
        units=opened.target_units,
        symbols=len(code.target),
        lengths=(min(lengths), int(median(lengths)), max(lengths)),
        size=code.preprocessing.size,
        examples=tuple((train.images.names(i), train.targets[i]) for i in range(min(_SHOWN, len(train)))),
        account=opened.account,
        warnings=opened.warnings,
        notes=opened.notes,
        fingerprint=opened.fingerprint,
    )
    record = asdict(found) | {"account": found.account.to_json()}
    write_whole(out / "summary.json", as_bytes(json.dumps(record, indent=1, ensure_ascii=False)))
    return found
