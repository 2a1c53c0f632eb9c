"""The networks by name."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from regard import attention as catalogue
from regard.core.errors import CheckpointError, OptionError, RegardError, UnknownNameError, unknown_name
from regard.core.options import at_least, one_of
from regard.core.spec import Spec
from regard.core.tensor_files import read_tensors
from regard.models import foreign
from regard.models.bag import BagOfPatches
from regard.models.blocks import Shortcut, StrideIn, Style
from regard.models.cnn import CNN
from regard.models.hard_head import HardHead
from regard.models.inception import InceptionLayout
from regard.models.initialisation import initialise
from regard.models.layouts import PLAIN
from regard.models.published import PUBLISHED
from regard.models.ram import RAM
from regard.models.resnet import Layout, ResNet
from regard.models.seq2seq import NAME as SEQUENCES
from regard.models.state import load_state
from regard.models.van import VANLayout

LINES: dict[str, type[RAM] | type[CNN]] = {"ram": RAM, "cnn": CNN}
"""The networks that have their options on the same line: `ram:glimpses=6,patch=8`, `cnn:width=8`."""

TIMED = ("clipnet", "resnet3d", "resnet1d")
"""The networks for clips and sounds, see `create_clip_network`."""


def names() -> tuple[str, ...]:
    """Returns the names for `create`: plain and published networks, plain ones with a mechanism, `ram` and `cnn`.

    >>> names()[:2], "cbam_resnet18" in names()
    (('resnet8', 'resnet20'), True)
    """
    composed = (f"{prefix}_{plain}" for prefix in _prefixes() for plain in PLAIN)
    return tuple(dict.fromkeys((*PLAIN, *PUBLISHED, *composed, *LINES)))


def create(
    name: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    attention: str | Spec | None = None,
    seed: int | None = None,
    width: float | Sequence[int] = 1.0,
    stride_in: StrideIn | None = None,
    shortcut: Shortcut | None = None,
    patch: int | None = None,
    patch_stride: int | None = None,
    recompute: bool = False,
    weights: str | Path | None = None,
) -> nn.Module:
    """Creates a network with random weights, or with those of a file; nothing is downloaded.

    Args:
        name: a plain network (`resnet20`), a published one (`se_resnet50`, `senet154`), which has the layout of its
            authors, or a plain one with a mechanism before it (`se_resnet20`); or a network of another library,
            `timm:NAME` or `torchvision:NAME`, or of your own, `package.module:function`; or `ram` or `cnn`, with
            options after a colon, see `RAM` and `CNN`.
        num_classes: number of outputs.
        in_channels: channels of an image.
        attention: a mechanism with its options (`cbam:reduction=8`), if the name has none.
        seed: see `initialise`; without a seed one is drawn from PyTorch's generator.
        width: factor on the channels of all stages, or the channels of each stage.
        stride_in: convolution of a bottleneck that has the stride: `3x3`, or `1x1` as in the Caffe networks; by
            default the layout's.
        shortcut: shortcut of blocks that change the shape, `projection` (1x1 convolution and normalisation), `pad`
            (zero channels), `pooled` (mean pooling before the convolution) or `3x3` (a 3x3 convolution); by default
            the layout's.
        patch: divide images into patches with sides of this many pixels, see `BagOfPatches`; None takes the whole
            image.
        patch_stride: pixels from patch to patch, as in `BagOfPatches`.
        recompute: less memory in training, as in `BagOfPatches`.
        weights: a .safetensors file of regard, from `regard import-weights` or from a training; never a pickle.

    Returns:
        The network in training mode; its modules are named as in torchvision.

    Raises:
        UnknownNameError: no such network or mechanism; the message names the nearest.
        OptionError: an option out of its range, or one that this network does not have.
        DependencyError: the other library is not installed.
        CheckpointError: the weights are damaged, a pickle, or those of another network.

    Example:
        >>> net = create("resnet20", attention="se:reduction=8", num_classes=10)
        >>> net.layer1[0].attention.reduce.out_features
        2
    """
    form = None
    seed = int(torch.randint(2**62, ()) if seed is None else seed)
    _refuse_other_kinds(name)
    scaled = None if width == 1.0 else width
    ours = {"attention": attention, "width": scaled, "stride_in": stride_in, "shortcut": shortcut}
    if name.partition(":")[0] in LINES:
        _refuse_ours(name, **{option: value for option, value in ours.items() if option != "attention"}, patch=patch)
        net: nn.Module = initialise(_of_line(name, attention, num_classes, in_channels), seed)
    elif (own := own_layout(name)) is not None:
        _refuse_second(name, attention)
        _refuse_ours(name, **ours)
        net = initialise(own.create(name, num_classes=num_classes, in_channels=in_channels), seed)
    elif ":" in name:
        _refuse_ours(name, **ours)
        net = foreign.build(name, num_classes, in_channels, seed)
    else:
        chosen = _resolve(name, attention)
        layout = _scale_widths(chosen.name, chosen.layout, width)
        style = _style(chosen, stride_in, shortcut)
        net, form = _build(chosen, layout, style, num_classes, in_channels, seed), _form(layout, style)
    if patch is None:
        _refuse_without_patch(name, patch_stride=patch_stride, recompute=recompute or None)
        return net if weights is None else _load(net, Path(weights), name, form)
    bag = BagOfPatches(
        net, num_classes=num_classes, in_channels=in_channels, patch=patch, stride=patch_stride, recompute=recompute
    )
    # The network keeps the initial values that it has without patches.
    initialise(nn.ModuleDict({"pool": bag.pool, "fc": bag.fc}), seed)
    return bag if weights is None else _load(bag, Path(weights), name, form)


def outline(
    name: str, *, num_classes: int = 1000, in_channels: int = 3, attention: str | Spec | None = None
) -> nn.Module:
    """Creates a plain or a published network on the meta device: its shapes without their values, at once.

    Args:
        name: as in `create`, of a plain or a published network.
        num_classes: number of outputs.
        in_channels: channels of an image.
        attention: as in `create`.

    Raises:
        UnknownNameError: no such network or mechanism.
        OptionError: an option out of its range.

    Example:
        >>> sum(parameter.numel() for parameter in outline("senet154").parameters())
        115088984
    """
    if (layout := own_layout(name)) is not None:
        _refuse_second(name, attention)
        with torch.device("meta"):
            return layout.create(name, num_classes=num_classes, in_channels=in_channels)
    chosen = _resolve(name, attention)
    with torch.device("meta"):
        return _build(chosen, chosen.layout, chosen.style, num_classes, in_channels, None)


def _refuse_other_kinds(name: str) -> None:
    """Raises an error for the name of a network that takes no images."""
    if name.partition(":")[0] in TIMED:
        raise OptionError(
            f"{name!r} takes clips or sounds, not images: name them with --data clips:PATH or sound:PATH."
        )
    if name.partition(":")[0] == SEQUENCES:
        raise OptionError(f"{name!r} takes text, not images: name texts with --data tsv:PATH, see create_seq2seq.")


def is_foreign(name: str) -> bool:
    """Returns True if the network is another library's or the user's own, so that attention has to be inserted.

    >>> is_foreign("timm:resnet18"), is_foreign("resnet20"), is_foreign("ram:glimpses=4")
    (True, False, False)
    """
    return ":" in name and name.partition(":")[0] not in (*LINES, *TIMED, SEQUENCES)


def is_looker(name: str, attention: str | Spec | None = None) -> bool:
    """Returns True if the network is a `Looker`, which returns an `Answer` instead of logits.

    >>> is_looker("ram:glimpses=4"), is_looker("resnet20"), is_looker("resnet20", "hard_spatial:form=soft")
    (True, False, True)
    """
    own = LINES.get(name.partition(":")[0])
    if own is not None or ":" in name or own_layout(name) is not None:
        return own is RAM
    return _resolve(name, attention).head is not None


def own_layout(name: str) -> VANLayout | InceptionLayout | None:
    """Returns the layout of a published network that is no residual network; None for any other name.

    >>> own_layout("van_b0").widths, own_layout("se_resnet50")
    ((32, 64, 160, 256), None)
    """
    layout = PUBLISHED[name].layout if name in PUBLISHED else None
    return None if isinstance(layout, Layout) else layout


def layout_of(name: str) -> Layout:
    """Returns the layout of a plain network; an unknown name is an error that lists the nearest."""
    if name in PUBLISHED:
        raise UnknownNameError(f"{name!r} has attention of its own: take a plain network, for example resnet50.")
    if name not in PLAIN:
        error = unknown_name("network", name, (*PLAIN, *PUBLISHED))
        raise UnknownNameError(
            f"{error} A mechanism's name before it adds attention (se_resnet50); timm:NAME and torchvision:NAME are "
            "the networks of other libraries."
        )
    return PLAIN[name]


@dataclass(frozen=True)
class _Chosen:
    """A network as its name says: its own name, its layout and its style with the mechanism."""

    name: str
    layout: Layout
    style: Style

    @property
    def head(self) -> Spec | None:
        """The mechanism if it samples: it becomes the head of the network, whose blocks have none."""
        mechanism = self.style.mechanism
        samples = mechanism is not None and catalogue.find(mechanism.name).facts.returns == "sample"
        return mechanism if samples else None


def _resolve(name: str, attention: str | Spec | None) -> _Chosen:
    """Resolves the name of a network, and the mechanism in the name or in the option."""
    plain, mechanism = _split(name)
    _refuse_second(name, attention)
    if (chosen := _published(name)) is not None:
        return chosen
    layout = layout_of(plain)
    if attention is not None:
        mechanism = Spec.parse(attention)
    if mechanism is None:
        return _Chosen(plain, layout, layout.style)
    composed, style = f"{mechanism.name}_{plain}", replace(layout.style, mechanism=mechanism)
    # A published network of that name may have a layout of its own.
    same = _published(composed) in (None, _Chosen(composed, layout, style))
    return _Chosen(composed if same else f"{plain} with {mechanism}", layout, style)


def _published(name: str) -> _Chosen | None:
    """Returns a published residual network; None for any other name."""
    network = PUBLISHED.get(name)
    if network is None or network.style is None or not isinstance(network.layout, Layout):
        return None
    return _Chosen(name, network.layout, network.style)


def _refuse_second(name: str, attention: str | Spec | None) -> None:
    """Raises an error if the option names a mechanism although the name has one."""
    plain, mechanism = _split(name)
    if attention is None or (mechanism is None and name not in PUBLISHED):
        return
    own = repr(mechanism.name if mechanism is not None else PUBLISHED[name].mechanism.name)
    instead = f" ({plain!r} is the plain network)" if plain in PLAIN else ""
    raise OptionError(
        f"{name!r} already names its attention, {own}, and attention={str(attention)!r} names another one: "
        f"leave one of them out{instead}."
    )


def _split(name: str) -> tuple[str, Spec | None]:
    """Splits a name into that of the plain network and the mechanism before it."""
    if name in PLAIN:
        return name, None
    plain = next((plain for plain in PLAIN if name.endswith(f"_{plain}")), None)
    prefix = name.removesuffix(f"_{plain}") if plain is not None else name.rpartition("_")[0]
    if plain is None and prefix not in _prefixes():
        return name, None
    return plain or name.rpartition("_")[2], Spec(catalogue.find(prefix).facts.name)


def _style(chosen: _Chosen, stride_in: StrideIn | None, shortcut: Shortcut | None) -> Style:
    style, name = chosen.style, chosen.name
    if chosen.layout.modules:  # the blocks are their authors'
        _refuse_ours(name, stride_in=stride_in, shortcut=shortcut)
    if stride_in is not None:
        one_of(name, "stride_in", stride_in, get_args(StrideIn))
    if shortcut is not None:
        one_of(name, "shortcut", shortcut, get_args(Shortcut))
    if stride_in == "1x1" and not chosen.layout.bottlenecks:
        raise OptionError(
            f"{name}: stride_in='1x1' is not allowed, because its blocks have no 1x1 convolution: leave "
            "stride_in='3x3', or take resnet50 or resnet101."
        )
    return replace(style, stride_in=stride_in or style.stride_in, shortcut=shortcut or style.shortcut)


def _scale_widths(name: str, layout: Layout, width: float | Sequence[int]) -> Layout:
    """Returns the layout with its channels multiplied, or replaced stage by stage."""
    step = layout.style.step
    if isinstance(width, Sequence):
        if len(width) != len(layout.widths):
            raise OptionError(
                f"{name}: width={tuple(width)} has channels for {len(width)} stages, but the network has "
                f"{len(layout.widths)}: give {len(layout.widths)} integers, for example {layout.widths}."
            )
        widths = tuple(at_least(name, "width", channels, 1) for channels in width)
        if any(channels % step for channels in widths):
            raise OptionError(
                f"{name}: width={widths} is not allowed, because its convolutions have groups: give "
                f"multiples of {step}, for example {layout.widths}."
            )
    elif isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width < float("inf"):
        raise OptionError(f"{name}: width={width!r} is not allowed; it must be a positive factor, for example 1.25.")
    else:
        widths = tuple(step * max(1, round(channels * width / step)) for channels in layout.widths)
    return replace(layout, widths=widths)


def _prefixes() -> tuple[str, ...]:
    """Returns the mechanisms and controls that fit into a residual network."""
    every = (*catalogue.CATALOGUE, *catalogue.LOOKING, *catalogue.CONTROLS)
    return tuple(mechanism.facts.name for mechanism in every if mechanism.facts.at != "input")


def _form(layout: Layout, style: Style) -> tuple[Layout, Style]:
    """Returns what makes a network compute what it does, beside the shapes of its tensors."""
    return replace(layout, widths=(), style=Style()), style


def _load(net: nn.Module, path: Path, name: str, form: tuple[Layout, Style] | None) -> nn.Module:
    """Loads a file of regard, which may not be of a network with the same shapes and another function."""
    state, metadata = read_tensors(path)
    run = metadata.get("run")
    network = run.get("network") if isinstance(run, dict) else None
    if form is not None and isinstance(network, dict):
        options = network.get("options") or {}
        try:
            theirs = _resolve(str(network.get("name")), options.get("attention"))
            style = _style(theirs, options.get("stride_in"), options.get("shortcut"))
        except RegardError:
            theirs = None
        if theirs is not None and _form(theirs.layout, style) != form:
            raise CheckpointError(
                f"{path}: these are the weights of {theirs.name}, and {name} computes something else: create the "
                f"network with the name and the options that they were saved with, {network}."
            )
    try:
        return load_state(net, state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _build(
    chosen: _Chosen, layout: Layout, style: Style, num_classes: int, in_channels: int, seed: int | None
) -> nn.Module:
    """Builds a residual network, initialised with a seed; a mechanism that samples is the head of the plain one."""
    head = chosen.head
    inside = style if head is None else replace(style, mechanism=None)
    resnet = ResNet(chosen.name, layout, inside, num_classes=num_classes, in_channels=in_channels)
    if seed is not None:
        initialise(resnet, seed)
    if head is None:
        return resnet
    net = HardHead(resnet, head)
    if seed is not None:
        initialise(nn.ModuleDict({"head": net.head}), seed)
    return net


def _of_line(name: str, attention: str | Spec | None, num_classes: int, in_channels: int) -> nn.Module:
    """Creates a network with the options in its name."""
    spec = Spec.parse(name)
    own = LINES[spec.name]
    allowed = [option for option in inspect.signature(own).parameters if option not in ("num_classes", "in_channels")]
    if attention is not None and "attention" not in allowed:
        _refuse_ours(name, attention=attention)
    given = {} if attention is None else {"attention": attention}
    for option in spec.options:
        if option not in allowed or option == "attention":
            raise OptionError(str(unknown_name(f"option of {spec.name!r}", option, allowed)))
    return own(num_classes=num_classes, in_channels=in_channels, **spec.options, **given)  # type: ignore[arg-type]


def _refuse_ours(name: str, **options: object) -> None:
    """Raises an error for options that only regard's own ResNets have."""
    for option, value in options.items():
        if value is not None:
            raise OptionError(
                f"{name}: {option}={value!r} is not allowed, because only regard's own ResNets have it: "
                "leave it out, or take one of them, for example resnet50."
            )


def _refuse_without_patch(name: str, **options: object) -> None:
    """Raises an error for options of patches without patches."""
    for option, value in options.items():
        if value is not None:
            raise OptionError(f"{name}: {option}={value!r} is not allowed without patch=: leave it out, or set patch.")
