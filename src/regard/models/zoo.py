"""The networks by name."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from regard import attention as catalogue
from regard.core.errors import OptionError, UnknownNameError, unknown_name
from regard.core.options import at_least, one_of
from regard.core.spec import Spec
from regard.models import foreign
from regard.models.bag import BagOfPatches
from regard.models.blocks import Shortcut, StrideIn, Style
from regard.models.cnn import CNN
from regard.models.hard_head import HardHead
from regard.models.initialisation import initialise
from regard.models.ram import RAM
from regard.models.resnet import Layout, ResNet
from regard.models.seq2seq import NAME as SEQUENCES

SMALL, LARGE = (16, 32, 64), (64, 128, 256, 512)

LAYOUTS = {
    **{f"resnet{6 * n + 2}": Layout((n, n, n), SMALL, small=True) for n in (1, 3, 5, 9, 18)},
    "resnet18": Layout((2, 2, 2, 2), LARGE),
    "resnet34": Layout((3, 4, 6, 3), LARGE),
    "resnet50": Layout((3, 4, 6, 3), LARGE, bottlenecks=True),
    "resnet101": Layout((3, 4, 23, 3), LARGE, bottlenecks=True),
}
"""The plain networks of He et al., section 4.2 (small images, 6n + 2 layers) and table 1 (large ones)."""


LINES: dict[str, type[RAM] | type[CNN]] = {"ram": RAM, "cnn": CNN}
"""The networks that have their options on the same line: `ram:glimpses=6,patch=8`, `cnn:width=8`."""

TIMED = ("clipnet", "resnet3d", "resnet1d")
"""The networks for clips and sounds, see `create_clip_network`."""


def names() -> tuple[str, ...]:
    """Returns the names for `create`: the plain networks, each with each mechanism and control, then `ram` and `cnn`.

    >>> names()[:2], "cbam_resnet18" in names()
    (('resnet8', 'resnet20'), True)
    """
    return (*LAYOUTS, *(f"{prefix}_{plain}" for prefix in _prefixes() for plain in LAYOUTS), *LINES)


def create(
    name: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    attention: str | Spec | None = None,
    seed: int | None = None,
    width: float | Sequence[int] = 1.0,
    stride_in: StrideIn = "3x3",
    shortcut: Shortcut = "projection",
    patch: int | None = None,
    patch_stride: int | None = None,
    recompute: bool = False,
) -> nn.Module:
    """Creates a network with random weights; nothing is downloaded.

    Args:
        name: a plain network (`resnet20`), one with a mechanism before it (`se_resnet20`), or a network of another
            library, `timm:NAME` or `torchvision:NAME`, or of your own, `package.module:function`; or `ram` or `cnn`,
            with options after a colon, see `RAM` and `CNN`.
        num_classes: number of outputs.
        in_channels: channels of an image.
        attention: a mechanism with its options (`cbam:reduction=8`), if the name has none.
        seed: see `initialise`; without a seed one is drawn from PyTorch's generator.
        width: factor on the channels of all stages, or the channels of each stage.
        stride_in: convolution of a bottleneck that has the stride: `3x3`, or `1x1` as in the Caffe networks.
        shortcut: shortcut of blocks that change the shape, `projection` (1x1 convolution and normalisation) or `pad`
            (zero channels).
        patch: divide images into patches with sides of this many pixels, see `BagOfPatches`; None takes the whole
            image.
        patch_stride: pixels from patch to patch, as in `BagOfPatches`.
        recompute: less memory in training, as in `BagOfPatches`.

    Returns:
        The network in training mode; its modules are named as in torchvision.

    Raises:
        UnknownNameError: no such network or mechanism; the message names the nearest.
        OptionError: an option out of its range, or one that this network does not have.
        DependencyError: the other library is not installed.

    Example:
        >>> net = create("resnet20", attention="se:reduction=8", num_classes=10)
        >>> net.layer1[0].attention.reduce.out_features
        2
    """
    seed = int(torch.randint(2**62, ()) if seed is None else seed)
    _refuse_other_kinds(name)
    ours = {
        "attention": attention,
        "width": None if width == 1.0 else width,
        "stride_in": None if stride_in == "3x3" else stride_in,
        "shortcut": None if shortcut == "projection" else shortcut,
    }
    if name.partition(":")[0] in LINES:
        _refuse_ours(name, **{option: value for option, value in ours.items() if option != "attention"}, patch=patch)
        net: nn.Module = initialise(_of_line(name, attention, num_classes, in_channels), seed)
    elif ":" in name:
        _refuse_ours(name, **ours)
        net = foreign.build(name, num_classes, in_channels, seed)
    else:
        plain, mechanism = _resolve(name, attention)
        sizes = {"num_classes": num_classes, "in_channels": in_channels}
        net = _residual(plain, mechanism, _scale_widths(plain, width), stride_in, shortcut, sizes, seed)
    if patch is None:
        _refuse_without_patch(name, patch_stride=patch_stride, recompute=recompute or None)
        return net
    bag = BagOfPatches(
        net,
        num_classes=num_classes,
        in_channels=in_channels,
        patch=patch,
        stride=patch_stride,
        recompute=recompute,
    )
    # The network keeps the initial values that it has without patches.
    initialise(nn.ModuleDict({"pool": bag.pool, "fc": bag.fc}), seed)
    return bag


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
    if own is not None or ":" in name:
        return own is RAM
    mechanism = _resolve(name, attention)[1]
    return mechanism is not None and _samples(mechanism)


def layout_of(name: str) -> Layout:
    """Returns the layout of a plain network; an unknown name is an error that lists the nearest."""
    if name not in LAYOUTS:
        error = unknown_name("network", name, LAYOUTS)
        raise UnknownNameError(
            f"{error} A mechanism's name before it adds attention (se_resnet50); timm:NAME and torchvision:NAME are "
            "the networks of other libraries."
        )
    return LAYOUTS[name]


def _resolve(name: str, attention: str | Spec | None) -> tuple[str, Spec | None]:
    """Returns the plain network's name and the mechanism, from the name or from the option."""
    prefix, _, plain = name.rpartition("_")
    known = prefix in _prefixes()
    if not prefix or not (known or plain in LAYOUTS):
        layout_of(name)
        return name, None if attention is None else Spec.parse(attention)
    layout_of(plain)
    if attention is not None:
        raise OptionError(
            f"{name!r} already names its attention, {prefix!r}, and attention={str(attention)!r} names another one: "
            f"leave one of them out ({plain!r} is the plain network)."
        )
    return plain, Spec(catalogue.find(prefix).facts.name)


def _style(plain: str, mechanism: Spec | None, stride_in: StrideIn, shortcut: Shortcut) -> Style:
    one_of(plain, "stride_in", stride_in, ("3x3", "1x1"))
    one_of(plain, "shortcut", shortcut, ("projection", "pad"))
    if stride_in == "1x1" and not LAYOUTS[plain].bottlenecks:
        raise OptionError(
            f"{plain}: stride_in='1x1' is not allowed, because its blocks have no 1x1 convolution: leave "
            "stride_in='3x3', or take resnet50 or resnet101."
        )
    return Style(mechanism, stride_in, shortcut)


def _scale_widths(plain: str, width: float | Sequence[int]) -> Layout:
    """Returns the layout with its channels multiplied, or replaced stage by stage."""
    layout = LAYOUTS[plain]
    if isinstance(width, Sequence):
        if len(width) != len(layout.widths):
            raise OptionError(
                f"{plain}: width={tuple(width)} has channels for {len(width)} stages, but the network has "
                f"{len(layout.widths)}: give {len(layout.widths)} integers, for example {layout.widths}."
            )
        widths = tuple(at_least(plain, "width", channels, 1) for channels in width)
    elif isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width < float("inf"):
        raise OptionError(f"{plain}: width={width!r} is not allowed; it must be a positive factor, for example 1.25.")
    else:
        widths = tuple(max(1, round(channels * width)) for channels in layout.widths)
    return replace(layout, widths=widths)


def _prefixes() -> tuple[str, ...]:
    """Returns the mechanisms and controls that fit into a residual network."""
    every = (*catalogue.CATALOGUE, *catalogue.LOOKING, *catalogue.CONTROLS)
    return tuple(mechanism.facts.name for mechanism in every if mechanism.facts.at != "input")


def _residual(
    plain: str,
    mechanism: Spec | None,
    layout: Layout,
    stride_in: StrideIn,
    shortcut: Shortcut,
    sizes: Mapping[str, int],
    seed: int,
) -> nn.Module:
    """Creates a residual network; a mechanism that samples becomes the head of the plain one."""
    head = mechanism if mechanism is not None and _samples(mechanism) else None
    style = _style(plain, mechanism if head is None else None, stride_in, shortcut)
    resnet = ResNet(plain if mechanism is None else f"{mechanism.name}_{plain}", layout, style, **sizes)
    initialise(resnet, seed)
    if head is None:
        return resnet
    net = HardHead(resnet, head)
    initialise(nn.ModuleDict({"head": net.head}), seed)
    return net


def _samples(mechanism: Spec) -> bool:
    """Returns True if the mechanism returns a sample, so that the network returns an `Answer`."""
    return catalogue.find(mechanism.name).facts.returns == "sample"


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
    """Raises an error for options that only regard's own residual networks have."""
    for option, value in options.items():
        if value is not None:
            raise OptionError(
                f"{name}: {option}={value!r} is not allowed, because only regard's own residual networks have it: "
                "leave it out, or take one of them, for example resnet50."
            )


def _refuse_without_patch(name: str, **options: object) -> None:
    """Raises an error for options of patches without patches."""
    for option, value in options.items():
        if value is not None:
            raise OptionError(f"{name}: {option}={value!r} is not allowed without patch=: leave it out, or set patch.")
