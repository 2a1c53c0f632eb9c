"""The story of `regard predict`: picture files in, the most likely classes out."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from regard import training
from regard.core import logits_of
from regard.core.errors import DataError
from regard.core.files import write_whole
from regard.core.options import at_least, one_of
from regard.data import PIXEL_LIMIT, BadPicture, BadPictureError, read_picture
from regard.data.listing import find_pictures
from regard.recipes.network import Loaded, batch_size_for, load_network
from regard.report.numerals import plural
from regard.training import DeviceName


@dataclass(frozen=True)
class Prediction:
    """What a network says of one picture.

    Attributes:
        picture: its file.
        classes: the most likely classes with their probabilities, the likeliest first; where a picture may have
            several classes, each probability is that of the class alone.
    """

    picture: Path
    classes: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What a network says of pictures.

    Attributes:
        network: its name with its attention.
        multi_label: whether a picture may have several classes, or none.
        predictions: one for each picture that could be read.
        skipped: those that could not.
        out: the CSV file that they were written to, or None.
    """

    network: str
    multi_label: bool
    predictions: tuple[Prediction, ...]
    skipped: tuple[BadPicture, ...]
    out: Path | None = None

    def __rich__(self) -> RenderableType:
        """A row for each picture."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for prediction in self.predictions:
            named = (f"{name} {100 * p:.1f} %" for name, p in prediction.classes)
            first, *rest = (Text(text, style="bold" if n == 0 else "") for n, text in enumerate(named))
            table.add_row(Text(str(prediction.picture)), first, *rest)
        parts: list[RenderableType] = [table] if self.predictions else []
        if self.skipped:
            parts.append(Text(f"\n{plural(len(self.skipped), 'picture')} could not be read:", style="yellow"))
            parts += [Text(f"  {picture}", style="yellow") for picture in self.skipped]
        if self.out is not None:
            parts.append(Text(f"Written to {self.out}", style="dim"))
        return Group(*parts)

    def to_csv(self) -> str:
        """A row for each picture and class: picture, rank, class, probability."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("picture", "rank", "class", "probability"))
        for prediction in self.predictions:
            for rank, (name, p) in enumerate(prediction.classes, 1):
                writer.writerow((prediction.picture, rank, name, f"{p:.6f}"))
        return text.getvalue()


def predict(
    images: Sequence[str],
    *,
    run: str,
    top: int = 3,
    on_bad_image: Literal["skip", "fail"] = "skip",
    max_pixels: int = PIXEL_LIMIT,
    out: str | None = None,
    device: DeviceName = "auto",
    threads: int | None = None,
) -> Predicted:
    """Says what is in pictures, with a trained network's own classes and preprocessing.

    Args:
        images: picture files, and folders whose pictures are all taken.
        run: the folder of a training run, or a weights file.
        top: how many classes to name for each picture.
        on_bad_image: whether a picture that cannot be read is left out and named, or an error.
        max_pixels: a picture with more pixels is not read.
        out: a CSV file for the predictions.
        device: where to compute.
        threads: processor threads; PyTorch's own choice by default.

    Returns:
        The most likely classes of each picture.

    Raises:
        RegardError: there is no such run or picture, or none could be read.
    """
    at_least("predict", "top", top, 1)
    one_of("predict", "on_bad_image", on_bad_image, ("skip", "fail"))
    place = training.resolve_device(device)
    training.set_threads(threads)
    files = _files(images)
    loaded = load_network(run)
    loaded.net.to(place)
    predictions: list[Prediction] = []
    skipped: list[BadPicture] = []
    size = batch_size_for(loaded.preprocessing)
    for batch in (files[start : start + size] for start in range(0, len(files), size)):
        read = dict(_read(batch, loaded, on_bad_image, max_pixels, skipped))
        if read:
            predictions += _predict(loaded.net, read, loaded, top, place)
    if not predictions:
        raise DataError(f"predict: no picture of {len(files)} could be read; the first: {skipped[0]}.")
    made = Predicted(
        network=loaded.name,
        multi_label=loaded.multi_label,
        predictions=tuple(predictions),
        skipped=tuple(skipped),
        out=Path(out) if out else None,
    )
    if made.out is not None:
        write_whole(made.out, made.to_csv().encode())
    return made


def _files(images: Sequence[str]) -> list[Path]:
    """The files themselves, and the pictures in the folders among them, each once."""
    files: list[Path] = []
    for text in images:
        path = Path(text).expanduser()
        if not path.exists():
            raise DataError(f"predict: there is no file or folder {text}.")
        found = find_pictures(path)[0] if path.is_dir() else [path]
        if not found:
            raise DataError(f"predict: the folder {text} has no picture in it: name picture files, or another folder.")
        files += found
    if not files:
        raise DataError("predict: name the pictures: files, or folders of them.")
    return list(dict.fromkeys(files))


def _read(
    files: Sequence[Path],
    loaded: Loaded,
    on_bad_image: Literal["skip", "fail"],
    max_pixels: int,
    skipped: list[BadPicture],
) -> Iterator[tuple[Path, Tensor]]:
    """What the network is to see of each file that can be read; the others are added to `skipped`."""
    transform = loaded.preprocessing.eval()
    for path in files:
        try:
            yield path, transform(read_picture(path, loaded.preprocessing.channels, max_pixels=max_pixels))
        except BadPictureError as error:
            if on_bad_image == "fail":
                raise
            skipped.append(error.picture or BadPicture(str(path), str(error)))


@torch.no_grad()
def _predict(
    net: nn.Module, read: dict[Path, Tensor], loaded: Loaded, top: int, device: torch.device
) -> Iterator[Prediction]:
    logits = logits_of(net(torch.stack(list(read.values())).to(device))).float().cpu()
    shares = torch.sigmoid(logits) if loaded.multi_label else torch.softmax(logits, dim=1)
    best = shares.topk(min(top, len(loaded.classes)), dim=1)
    for path, values, places in zip(read, best.values.tolist(), best.indices.tolist(), strict=True):
        yield Prediction(path, tuple((loaded.classes[k], p) for k, p in zip(places, values, strict=True)))
