"""The arms, the recipe and the plain network of a comparison where none are named, by the kind of its data."""

from typing import Any, NamedTuple

from regard.data import Fit
from regard.data.kinds import Kind
from regard.recipes.clips import CLIP_MODELS, check_timed_settings
from regard.recipes.texts import check_text_settings
from regard.recipes.train_text import TEXT_MODEL
from regard.training import Recipe

DEFAULT_ARMS = ("none", "se", "cbam")
QUICK = Recipe(epochs=3, batch_size=32, optimizer="adamw", lr=0.01, channels_last=True)
_TEXT_QUICK = Recipe(epochs=5, optimizer="adamw", lr=0.004, weight_decay=0.01, clip=1.0)
_CLIP_QUICK = Recipe(epochs=5, batch_size=32, optimizer="adamw", lr=0.004, weight_decay=0.01, clip=1.0)


class Usual(NamedTuple):
    """The usual comparison of a kind of data.

    Attributes:
        arms: the plain network and mechanisms.
        recipe: of a short training.
        model: the plain network.
    """

    arms: tuple[str, ...]
    recipe: Recipe
    model: str


def usual(kind: Kind) -> Usual:
    """Returns the usual comparison of a kind of data.

    >>> usual("sound").model
    'resnet1d'
    """
    match kind:
        case "text":
            return Usual(("none", "additive", "multiplicative"), _TEXT_QUICK, TEXT_MODEL)
        case "caption":
            return Usual(("none", "additive", "sca_cnn"), _TEXT_QUICK, "captioner:backbone=resnet8")
        case "clip" | "sound":
            return Usual(("none", "temporal_pool", "frame_gate"), _CLIP_QUICK, CLIP_MODELS[kind])
        case "image":
            return Usual(DEFAULT_ARMS, QUICK, "resnet8")


def check_settings(kind: Kind, *, size: int | str | None, balanced: bool, fit: Fit) -> None:
    """Raises an `OptionError` where an option that is about images with classes is given for other data."""
    given: dict[str, Any] = {"size": size, "balanced": balanced or None, "fit": None if fit == "crop" else fit}
    match kind:
        case "text":
            check_text_settings("compare", **given)
        case "caption":
            check_text_settings("compare", kind="captions", balanced=balanced or None)
        case "clip" | "sound":
            check_timed_settings("compare", **given)
        case "image":
            pass
