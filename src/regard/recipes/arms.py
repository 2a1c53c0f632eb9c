"""The arms of a comparison: the plain network, mechanisms put into it, and controls."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from regard import attention, models
from regard.core.errors import OptionError, UnknownNameError, unknown_name
from regard.core.run_record import NetworkRecord
from regard.core.spec import Spec
from regard.data.kinds import Kind
from regard.recipes.console import say
from regard.recipes.insertion import insert, plan_for

PLAIN = "none"
WIDE = "wide"
_PLURAL: dict[Kind, str] = {"text": "text", "caption": "captions", "clip": "clips", "sound": "sounds"}


@dataclass(frozen=True)
class Backbone:
    """The plain network that all arms share: its name, its input channels and its classes.

    With `kind="text"` they are the symbols that it reads and those that it writes; with `caption` the channels of an
    image and the symbols. `size` is that of an image.
    """

    model: str
    num_classes: int
    channels: int
    kind: Kind = "image"
    size: tuple[int, int] | None = None


def parse_arms(texts: tuple[str, ...], *, kind: Kind = "image", model: str = "resnet8") -> tuple[str, ...]:
    """Parses the arms: in order, the plain network first, each once; building each checks its name and options.

    >>> parse_arms(("se", "none", "cbam:reduction=8"))
    ('none', 'se', 'cbam:reduction=8')

    Args:
        texts: as they are given.
        kind: of the data.
        model: the network that they are built into, where the data are no images with classes.

    Raises:
        UnknownNameError: no such mechanism or control.
        OptionError: no such option, a value it does not allow, or a mechanism given twice.
    """
    specs = [Spec.parse(text) for text in texts]
    arms = [PLAIN]
    for spec in specs:
        _check(spec) if kind == "image" else _check_other(spec, kind, model)
        text = str(spec)
        if text in arms and text != PLAIN:
            raise OptionError(f"compare: {text!r} is given twice: keep one of them.")
        if text != PLAIN:
            arms.append(text)
    return tuple(arms)


def leave_out_wide(texts: tuple[str, ...], model: str) -> tuple[str, ...]:
    """Leaves out the control `wide` for networks that cannot be widened, and says so."""
    if WIDE not in texts or not models.is_foreign(model):
        return texts
    say(f"{WIDE!r} is left out: {model} is no network of regard's, and only those can be widened.")
    return tuple(text for text in texts if text != WIDE)


def build_arm(arm: str, backbone: Backbone, seed: int, *, reference_parameters: int | None = None) -> nn.Module:
    """Builds the network of one arm; initial values are a function of the seed and the parameters' names.

    Args:
        arm: `none`, `wide` or a mechanism's spec.
        backbone: the plain network that all arms share.
        seed: random seed of the initial values.
        reference_parameters: for `wide`, the number of parameters to reach.
    """
    classes, channels = backbone.num_classes, backbone.channels
    if arm == WIDE:
        assert reference_parameters is not None
        return models.create_widened(
            backbone.model, reference_parameters, num_classes=classes, in_channels=channels, seed=seed
        )
    attention = None if arm == PLAIN else arm
    if backbone.kind != "image":
        return _create_other(backbone, attention, seed)
    plan = arm_plan(arm, backbone, seed)
    given = None if plan is not None else attention
    net = models.create(backbone.model, num_classes=classes, in_channels=channels, attention=given, seed=seed)
    return net if plan is None else insert(net, plan, arm)


def arm_plan(arm: str, backbone: Backbone, seed: int) -> dict[str, Any] | None:
    """Returns the plan by which an arm's attention is inserted; None if the network is built with it, or without."""
    if arm in (PLAIN, WIDE) or backbone.kind != "image" or not models.is_foreign(backbone.model):
        return None
    plain = models.create(backbone.model, num_classes=backbone.num_classes, in_channels=backbone.channels, seed=seed)
    shape = (1, backbone.channels, *(backbone.size or (224, 224)))
    return plan_for(plain, arm, shape, start="paper", seed=seed).to_json()


def arm_network(arm: str, backbone: Backbone, reference_parameters: int) -> NetworkRecord:
    """Returns the arm's network as its weights file records it."""
    if arm == WIDE:
        classes, channels = backbone.num_classes, backbone.channels
        width = models.width_for(backbone.model, reference_parameters, num_classes=classes, in_channels=channels)
        return NetworkRecord(name=backbone.model, options={"width": list(width)})
    return NetworkRecord(name=backbone.model, options={"attention": None if arm == PLAIN else arm})


def title(arm: str) -> str:
    """Returns the arm's name for tables and figures."""
    spec = Spec.parse(arm)
    words = {PLAIN: "plain network", WIDE: "wider plain network"}
    name = words.get(spec.name, spec.name)
    options = ", ".join(f"{k} {v}" for k, v in sorted(spec.options.items()))
    return f"{name} ({options})" if options else name


def is_control(arm: str) -> bool:
    """Returns True if the arm is a control, which a mechanism has to beat."""
    name = Spec.parse(arm).name
    return name == WIDE or any(name == control.facts.name for control in attention.CONTROLS)


def _check(spec: Spec) -> None:
    if spec.name in (PLAIN, WIDE):
        if spec.options:
            raise OptionError(f"compare: {str(spec)!r} has options, but {spec.name!r} takes none: leave them out.")
        return
    try:
        attention.create(spec, channels=64)
    except UnknownNameError as error:
        if "means several things" in str(error):
            raise
        known = (m.facts.name for m in (*attention.CATALOGUE, *attention.CONTROLS))
        raise unknown_name("mechanism or control", spec.name, (PLAIN, WIDE, *known)) from error


def _check_other(spec: Spec, kind: Kind, model: str) -> None:
    """Builds an arm of data that are no images with classes, so that a wrong name is told at once."""
    if spec.name == WIDE:
        raise OptionError(
            f"compare: 'wide' is not allowed with {_PLURAL[kind]}: only networks for images with classes are widened."
        )
    plain = spec.name == PLAIN and not spec.options
    _create_other(Backbone(model, 5, 5 if kind == "text" else 3, kind), None if plain else str(spec), 0)


def _create_other(backbone: Backbone, attention: str | None, seed: int) -> nn.Module:
    """Builds the network of an arm for data that are no images with classes."""
    model, classes, channels = backbone.model, backbone.num_classes, backbone.channels
    match backbone.kind:
        case "text":
            return models.create_seq2seq(
                model, source_symbols=channels, target_symbols=classes, attention=attention, seed=seed
            )
        case "caption":
            return models.create_captioner(model, symbols=classes, in_channels=channels, attention=attention, seed=seed)
        case _:
            return models.create_clip_network(
                model, num_classes=classes, in_channels=channels, attention=attention, seed=seed
            )
