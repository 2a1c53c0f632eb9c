"""The check of an exported file: its logits against those of the run, on real images."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import v2

from regard.core.errors import DataError, ExportError, OptionError, RunError
from regard.data import Images, Preprocessing
from regard.data.sizing import build_resize
from regard.recipes.console import say
from regard.recipes.exportable import Exportable
from regard.recipes.network import Loaded
from regard.recipes.sources import open_for_network, open_with_bar

TOLERANCE = 1e-4
"""The largest difference of a logit that passes, in parts of the largest logit: float32 in another order of sums."""

BATCHES = (1, 4)
"""Images in each batch at the size of the training; one alone is the commonest batch in use."""

AT_ANOTHER = 2
"""Images in the batch at another size."""

SHIPPED = "fashion-mini"
"""The images for the check where the run's own are not at hand."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The comparison of one batch.

    Attributes:
        shape: (b, h, w) of the images.
        difference: the largest difference of a logit, in parts of the largest logit.
    """

    shape: tuple[int, int, int]
    difference: float

    def __str__(self) -> str:
        return " x ".join(map(str, self.shape))


@dataclass(frozen=True, kw_only=True)
class CheckImages:
    """Real images for the check.

    Attributes:
        name: their source and split, for people.
        images: each (c, h, w) uint8, of any size.
    """

    name: str
    images: tuple[Tensor, ...]

    def batch(self, count: int, size: tuple[int, int], preprocessing: Preprocessing) -> Tensor:
        """Returns `count` of the images as uint8 (b, c, h, w), resized as the run resizes them.

        Args:
            count: number of images; with too few they are repeated.
            size: (h, w) of the result.
            preprocessing: of the run.
        """
        resize = build_resize(size, preprocessing.resize, preprocessing.mean)
        chosen = [resize(self.images[i % len(self.images)]) for i in range(count)]
        grey, colour = v2.functional.to_grayscale, v2.functional.grayscale_to_rgb
        convert = colour if preprocessing.channels == 3 else grey
        return torch.stack([image if len(image) == preprocessing.channels else convert(image) for image in chosen])


def open_check_images(loaded: Loaded, data: str | None) -> CheckImages:
    """Opens the images for the check: those named, else the run's validation images, else shipped ones.

    Args:
        loaded: the network with the record of its run.
        data: name of a source; None for the run's own.

    Raises:
        DataError: the named source cannot be opened.
        RunError: it has other classes than the network.
    """
    try:
        judged = open_for_network(loaded, data)
    except (DataError, RunError, OptionError) as error:
        if data is not None:
            raise
        if loaded.record.data is not None:
            say(f"warning: the check uses the images of {SHIPPED}: {error}", style="yellow")
        return CheckImages(name=f"images of {SHIPPED}", images=_some(open_with_bar(SHIPPED).splits["val"]))
    split = judged.split(None)
    what = "validation images" if split == "val" else "images"
    return CheckImages(name=f"{what} of {judged.source.name}", images=_some(judged.source.splits[split]))


def other_sizes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Returns two sizes for the check of a graph with free sizes: any one, and one that strides divide as before.

    >>> other_sizes((28, 28))
    ((38, 42), (56, 84))
    """
    height, width = size
    return (height + height // 3 + 1, width + width // 2), (2 * height, 3 * width)


def compare(
    module: Exportable, graph: Callable[[Tensor], Tensor], images: Tensor, preprocessing: Preprocessing
) -> Compared:
    """Compares the logits of a file with those of the run, both from the same uint8 images.

    Args:
        module: the network as it was exported.
        graph: the function that the file holds.
        images: uint8 (b, c, h, w).
        preprocessing: of the run.

    Raises:
        ExportError: the graph does not run, or the run's own logits are not finite.
    """
    normalised = preprocessing.normalise()(images)
    batch, _, height, width = images.shape
    with torch.no_grad():
        want = Exportable(module.net)(normalised)
        try:
            got = graph(normalised if module.normalise is None else images)
        except Exception as error:
            raise ExportError(
                f"the file does not run on {batch} images of {height} x {width} pixels: {error}"
            ) from error
    if not want.isfinite().all():
        raise ExportError("the logits of the run itself are not finite, so there is nothing to export: train it again.")
    difference = math.inf
    if got.shape == want.shape:
        difference = float((got.double() - want.double()).abs().max() / want.double().abs().max().clamp_min(1e-30))
    return Compared(shape=(batch, height, width), difference=difference)


def check(
    module: Exportable,
    graph: Callable[[Tensor], Tensor],
    images: CheckImages,
    sizes: Sequence[tuple[int, int]],
    preprocessing: Preprocessing,
    tolerance: float,
) -> tuple[Compared, ...]:
    """Compares a file with the run at several lengths of batches and several sizes of images.

    Args:
        module: the network as it was exported.
        graph: the function that the file holds.
        images: real images.
        sizes: the size of the training, then others.
        preprocessing: of the run.
        tolerance: the largest difference that passes.

    Raises:
        ExportError: a larger difference, or a graph that does not run.
    """
    cases = [(count, sizes[0]) for count in BATCHES] + [(AT_ANOTHER, size) for size in sizes[1:]]
    done = []
    for count, size in cases:
        one = compare(module, graph, images.batch(count, size, preprocessing), preprocessing)
        if not one.difference <= tolerance:
            raise ExportError(
                f"at {one} the file's logits differ from the run's by {one.difference:.1e} of the largest logit; "
                f"{tolerance:.0e} is allowed (--tolerance)."
            )
        done.append(one)
    return tuple(done)


def _some(images: Images) -> tuple[Tensor, ...]:
    count = min(max(BATCHES), len(images))
    step = len(images) // count
    return tuple(images.read(index * step) for index in range(count))
