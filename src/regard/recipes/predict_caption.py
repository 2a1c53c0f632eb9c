"""`regard predict` for a network that writes about images: the text about each."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Literal

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor

from regard.core.errors import DataError
from regard.core.files import write_whole
from regard.data import Account, BadImageError, LeftOut, Preprocessing, read_image
from regard.data.account import Tally, printable
from regard.recipes.captioning import LoadedCaptioner
from regard.recipes.image_files import image_files, warn_of_unlike
from regard.recipes.network import batch_size_for


@dataclass(frozen=True)
class ImageText:
    """The text of a network about one image.

    Attributes:
        image: path of the image.
        text: what was written.
        score: the mean probability of the text's symbols, a geometric mean.
    """

    image: Path
    text: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Described:
    """The texts of a network about images.

    Attributes:
        network: its name with its attention.
        texts: one for each image that could be read, in their order.
        account: which files were read, and which left out.
        out: the TSV file that they were written to, or None.
    """

    network: str
    texts: tuple[ImageText, ...]
    account: Account
    out: Path | None = None

    def __rich__(self) -> RenderableType:
        """A row for each image."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for one in self.texts:
            score = Text(f"{100 * one.score:.1f} %", style="dim")
            table.add_row(Text(printable(one.image)), Text(one.text, style="bold"), score)
        parts: list[RenderableType] = [table]
        if not self.account.complete:
            parts += [Text(line, style="yellow") for line in ("", *self.account.lines())]
        if self.out is not None:
            parts.append(Text(f"Written to {self.out}", style="dim"))
        return Group(*parts)

    def to_tsv(self) -> str:
        """A line for each image: image, text, score."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(("image", "text", "score"))
        writer.writerows((printable(one.image), one.text, f"{one.score:.6f}") for one in self.texts)
        return text.getvalue()


def describe_images(
    loaded: LoadedCaptioner,
    images: Sequence[str],
    *,
    beams: int,
    on_bad: Literal["skip", "fail"],
    max_pixels: int,
    out: str | None,
    device: torch.device,
) -> Described:
    """The text about each image; see `predict` for the arguments.

    Raises:
        DataError: no image could be read.
    """
    files, tally = image_files("predict", images, on_bad)
    known = loaded.code.preprocessing
    warn_of_unlike(files, known)
    loaded.net.to(device)
    found: list[ImageText] = []
    size = batch_size_for(known)
    for batch in (files[start : start + size] for start in range(0, len(files), size)):
        read = read_images(batch, known, on_bad, max_pixels, tally)
        if read:
            texts, scores = _search(loaded, torch.stack(list(read.values())).to(device), beams)
            rows = zip(read, texts, scores, strict=True)
            found += [ImageText(path, text, exp(score)) for path, text, score in rows]
    account = tally.settle({"described": len(found)})
    if not found:
        raise DataError(f"predict: no image of {len(account.bad)} could be read; the first: {account.bad[0]}.")
    made = Described(network=loaded.name, texts=tuple(found), account=account, out=Path(out) if out else None)
    if made.out is not None:
        write_whole(made.out, made.to_tsv().encode())
    return made


def read_images(
    files: Sequence[Path], known: Preprocessing, on_bad: Literal["skip", "fail"], max_pixels: int, tally: Tally
) -> dict[Path, Tensor]:
    """Returns the preprocessed image of each file that can be read; the others are added to `tally`."""
    transform, read = known.eval(), {}
    for path in files:
        try:
            image = read_image(path, known.channels, max_pixels=max_pixels, value_range=known.value_range)
            read[path] = transform(image)
        except BadImageError as error:
            if on_bad == "fail":
                raise
            tally.left_out.append(LeftOut(printable(path), error.image.reason if error.image else str(error)))
    return read


@torch.no_grad()
def _search(loaded: LoadedCaptioner, images: Tensor, beams: int) -> tuple[list[str], list[float]]:
    found = loaded.net.answer(images, beams=beams, longest=loaded.code.longest)  # type: ignore[operator]
    return loaded.code.target.decode(found.symbols.tolist()), found.scores.tolist()
