"""The test images of a report, with each network's predictions and maps."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One arm's prediction: the class's name, its probability, and whether it is right."""

    arm: str
    answer: str
    probability: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class ArmOverlay:
    """A spatial map drawn over the image.

    Attributes:
        arm: spec of the arm.
        tap: the tap's path, for example `layer1.0.attention.spatial`.
        png: the overlay, encoded as PNG.
        caption: the map's smallest and largest weight, as `0.31 to 0.62`; may be empty.
    """

    arm: str
    tap: str
    png: bytes
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class ActiveChannels:
    """The channels with the largest weights of a channel map on one image.

    Attributes:
        arm: spec of the arm.
        tap: the tap's path.
        channels: the number of channels.
        top: (number, weight) of the most active ones, the largest weight first.
        high: the largest weight that the map can have; bars are relative to it.
    """

    arm: str
    tap: str
    channels: int
    top: tuple[tuple[int, float], ...]
    high: float = 1.0

    def bars(self) -> tuple[tuple[int, float, float], ...]:
        """(number, weight, length of its bar) of the top channels; lengths are shares of `high` from 0 to 1.

        >>> ActiveChannels(arm="bam", tap="gate", channels=2, top=((1, 1.5), (0, 0.5)), high=2.0).bars()
        ((1, 1.5, 0.75), (0, 0.5, 0.25))
        """
        return tuple((number, weight, self._share(weight)) for number, weight in self.top)

    def _share(self, weight: float) -> float:
        share = weight / self.high if self.high > 0 else 0.0
        return min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0


@dataclass(frozen=True, kw_only=True)
class GalleryImage:
    """One test image.

    Attributes:
        png: the input of the network before normalisation, encoded as PNG.
        name: the file's name, or its number in the split.
        label: its true class, or classes.
        predictions: one for each arm.
        overlays: every spatial map, in the order of the layers.
        channels: every channel map, in the order of the layers.
    """

    png: bytes
    name: str
    label: str
    predictions: tuple[Prediction, ...] = ()
    overlays: tuple[ArmOverlay, ...] = ()
    channels: tuple[ActiveChannels, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GalleryText:
    """The answer of one arm to one test text, with its alignment.

    Attributes:
        arm: spec of the arm.
        text: the text.
        answer: the answer of the network.
        right: True if the answer is one of the references.
        png: the figure of the alignment, encoded as PNG.
    """

    arm: str
    text: str
    answer: str
    right: bool
    png: bytes
