"""`regard predict`: the most likely classes of image files."""

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
from regard.data import PIXEL_LIMIT, Account, BadImageError, LeftOut, read_image
from regard.data.account import Tally, printable
from regard.recipes.captioning import load_captioner
from regard.recipes.clips import CLIP_MODELS, load_clip_network
from regard.recipes.image_files import image_files, warn_of_unlike
from regard.recipes.kinds import kind_of_run
from regard.recipes.network import Loaded, batch_size_for, load_network
from regard.recipes.predict_caption import Described, describe_images
from regard.recipes.predict_clip import PredictedClips, predict_clips
from regard.recipes.predict_text import Answered, answer_texts
from regard.recipes.texts import load_text_network
from regard.training import DeviceName


@dataclass(frozen=True)
class Prediction:
    """The prediction of a network for one image.

    Attributes:
        image: path of the image.
        classes: the most likely classes with their probabilities, the most likely first; if an image may have several
            classes, the probabilities are independent.
    """

    image: Path
    classes: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The predictions of a network for images.

    Attributes:
        network: name of the network with its attention.
        multi_label: True if an image may have several classes, or none.
        predictions: one for each image that could be read.
        account: which files were read, and which left out.
        out: the CSV file that was written, or None.
    """

    network: str
    multi_label: bool
    predictions: tuple[Prediction, ...]
    account: Account
    out: Path | None = None

    def __rich__(self) -> RenderableType:
        """Returns a table with a row for each image."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for prediction in self.predictions:
            named = (f"{name} {100 * p:.1f} %" for name, p in prediction.classes)
            first, *rest = (Text(text, style="bold" if n == 0 else "") for n, text in enumerate(named))
            table.add_row(Text(printable(prediction.image)), first, *rest)
        parts: list[RenderableType] = [table] if self.predictions else []
        if not self.account.complete:
            parts += [Text(line, style="yellow") for line in ("", *self.account.lines())]
        if self.out is not None:
            parts.append(Text(f"Written to {self.out}", style="dim"))
        return Group(*parts)

    def to_csv(self) -> str:
        """Returns a CSV row for each image and class: image, rank, class, probability."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("image", "rank", "class", "probability"))
        for prediction in self.predictions:
            for rank, (name, p) in enumerate(prediction.classes, 1):
                writer.writerow((printable(prediction.image), rank, name, f"{p:.6f}"))
        return text.getvalue()


def predict(
    images: Sequence[str],
    *,
    run: str,
    top: int = 3,
    beams: int = 1,
    on_bad: Literal["skip", "fail"] = "skip",
    max_pixels: int = PIXEL_LIMIT,
    out: str | None = None,
    device: DeviceName = "auto",
    threads: int | None = None,
) -> "Predicted | PredictedClips | Answered | Described":
    """Predicts the classes of images, clips or sounds, or writes texts about images or for texts, with a network.

    Args:
        images: image files, and folders of images; for a network that takes text, texts, files with a text on each
            line, and - for the lines of the standard input; for one that takes clips or sounds, files and
            folders of them, or a source as clips:PATH, of which all are predicted, or the validation split if the
            network was trained on it.
        run: folder of a training run, or a weights file.
        top: number of classes to print for each image.
        beams: beams of the search for a text; 1 takes the likeliest symbol each time.
        on_bad: leave out images or texts that cannot be read and list them (`skip`), or stop (`fail`).
        max_pixels: largest number of pixels of an image; larger images are not read.
        out: CSV file to write the predictions to.
        device: device to compute on.
        threads: number of CPU threads; PyTorch's default if not given.

    Returns:
        The most likely classes of each image, the text about it, or the answer to each text.

    Raises:
        RegardError: there is no such run or image, or no image could be read.
    """
    at_least("predict", "top", top, 1)
    one_of("predict", "on_bad", on_bad, ("skip", "fail"))
    torch_device = training.resolve_device(device)
    training.set_threads(threads)
    at_least("predict", "beams", beams, 1)
    kind = kind_of_run(run)
    if kind == "caption":
        captioner = load_captioner(run)
        return describe_images(
            captioner, images, beams=beams, on_bad=on_bad, max_pixels=max_pixels, out=out, device=torch_device
        )
    if kind == "text":
        return answer_texts(load_text_network(run), images, beams=beams, on_bad=on_bad, out=out, device=torch_device)
    if kind in CLIP_MODELS:
        return predict_clips(load_clip_network(run), images, top=top, on_bad=on_bad, out=out, device=torch_device)
    files, tally = image_files("predict", images, on_bad)
    loaded = load_network(run)
    loaded.net.to(torch_device)
    warn_of_unlike(files, loaded.preprocessing)
    predictions: list[Prediction] = []
    size = batch_size_for(loaded.preprocessing)
    for batch in (files[start : start + size] for start in range(0, len(files), size)):
        read = dict(_read(batch, loaded, on_bad, max_pixels, tally))
        if read:
            predictions += _predict(loaded.net, read, loaded, top, torch_device)
    account = tally.settle({"predicted": len(predictions)})
    if not predictions:
        raise DataError(f"predict: no image of {len(account.bad)} could be read; the first: {account.bad[0]}.")
    made = Predicted(
        network=loaded.name,
        multi_label=loaded.multi_label,
        predictions=tuple(predictions),
        account=account,
        out=Path(out) if out else None,
    )
    if made.out is not None:
        write_whole(made.out, made.to_csv().encode())
    return made


def _read(
    files: Sequence[Path],
    loaded: Loaded,
    on_bad: Literal["skip", "fail"],
    max_pixels: int,
    tally: Tally,
) -> Iterator[tuple[Path, Tensor]]:
    """Yields the preprocessed image of each file that can be read; the others are added to `tally`."""
    transform = loaded.preprocessing.eval()
    for path in files:
        try:
            known = loaded.preprocessing
            image = read_image(path, known.channels, max_pixels=max_pixels, value_range=known.value_range)
            yield path, transform(image)
        except BadImageError as error:
            if on_bad == "fail":
                raise
            tally.left_out.append(LeftOut(printable(path), error.image.reason if error.image else str(error)))


@torch.no_grad()
def _predict(
    net: nn.Module, read: dict[Path, Tensor], loaded: Loaded, top: int, device: torch.device
) -> Iterator[Prediction]:
    logits = logits_of(net(torch.stack(list(read.values())).to(device))).float().cpu()
    probabilities = torch.sigmoid(logits) if loaded.multi_label else torch.softmax(logits, dim=1)
    best = probabilities.topk(min(top, len(loaded.classes)), dim=1)
    for path, values, indices in zip(read, best.values.tolist(), best.indices.tolist(), strict=True):
        yield Prediction(path, tuple((loaded.classes[k], p) for k, p in zip(indices, values, strict=True)))
