"""The one list of mechanisms, and how to find and make one by name."""

import inspect

from regard.attention.channel.cbam_channel import CBAMChannel
from regard.attention.channel.se import SE
from regard.attention.mixed.cbam import CBAM
from regard.attention.spatial.cbam_spatial import CBAMSpatial
from regard.core.errors import OptionError, UnknownNameError, unknown_name
from regard.core.facts import Family, Kind
from regard.core.mechanism import Mechanism
from regard.core.spec import Spec

CATALOGUE: tuple[type[Mechanism], ...] = (SE, CBAMChannel, CBAMSpatial, CBAM)
"""Every published mechanism, by family."""

CONTROLS: tuple[type[Mechanism], ...] = ()
"""What a mechanism has to beat; found and made by name like the others, but nobody's invention."""

AMBIGUOUS = {
    "sca": ("sca_cnn (SCA-CNN's channel and spatial attention)", "simple_channel (NAFNet)"),
    "gct": ("gated_channel (gated channel transformation)", "the Gaussian context transformer, not in the catalogue"),
    "psa": ("polarized self-attention", "pyramid squeeze attention", "YOLO's partial self-attention"),
    "ema": (
        "multiscale_ema (efficient multi-scale attention)",
        "EMANet's expectation maximisation",
        "weight averaging",
    ),
    "sa": ("shuffle (SA-Net)", "self-attention", "spatial attention, for example cbam_spatial"),
}
"""Acronyms that the field uses for several things."""


def names(*, family: Family | None = None, kind: Kind | None = None) -> tuple[str, ...]:
    """The names of the catalogue, in its order.

    >>> names(family="mixed")[0]
    'cbam'
    """
    facts = (m.facts for m in CATALOGUE)
    return tuple(f.name for f in facts if family in (None, f.family) and kind in (None, f.kind))


def find(name: str) -> type[Mechanism]:
    """The class of that name; an unknown name is an error that lists the nearest."""
    if name in AMBIGUOUS:
        raise UnknownNameError(f"{name!r} means several things: {'; '.join(AMBIGUOUS[name])}. Use the full name.")
    for mechanism in (*CATALOGUE, *CONTROLS):
        if mechanism.facts.name == name:
            return mechanism
    raise unknown_name("mechanism", name, (m.facts.name for m in (*CATALOGUE, *CONTROLS)))


def create(name: str | Spec, *, channels: int, **options: object) -> Mechanism:
    """A new module by the mechanism's name or spec.

    Args:
        name: for example `cbam` or `cbam:reduction=8`; options given here too are used where both say one.
        channels: the number of channels of the features it will weigh.
        options: the mechanism's own, see its class.

    Raises:
        UnknownNameError: no such mechanism.
        OptionError: no such option, or a value it does not allow.

    Example:
        >>> create("se", channels=64, reduction=8).reduce.out_features
        8
    """
    spec = Spec.parse(name)
    mechanism = find(spec.name)
    allowed = tuple(inspect.signature(mechanism).parameters)[1:]
    options = spec.options | options
    for option in options:
        if option not in allowed:
            error = unknown_name(f"option of {spec.name!r}", option, allowed)
            raise OptionError(str(error))
    return mechanism(channels, **options)  # type: ignore[arg-type]
