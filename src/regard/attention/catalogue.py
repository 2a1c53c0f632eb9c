"""The one list of mechanisms, and how to find and make one by name."""

import inspect

from regard.attention.branch.sk import SK
from regard.attention.channel.cbam_channel import CBAMChannel
from regard.attention.channel.cse import CSE
from regard.attention.channel.eca import ECA
from regard.attention.channel.se import SE
from regard.attention.channel.static import Static
from regard.attention.mixed.bam import BAM
from regard.attention.mixed.cbam import CBAM
from regard.attention.mixed.sca_cnn import SCACNN
from regard.attention.mixed.scse import SCSE
from regard.attention.spatial.cbam_spatial import CBAMSpatial
from regard.attention.spatial.sse import SSE
from regard.core.errors import OptionError, UnknownNameError, unknown_name
from regard.core.facts import Family, Kind
from regard.core.mechanism import Mechanism
from regard.core.spec import Spec

CATALOGUE: tuple[type[Mechanism], ...] = (
    SE,
    ECA,
    CSE,
    CBAMChannel,
    SSE,
    CBAMSpatial,
    CBAM,
    BAM,
    SCSE,
    SCACNN,
    SK,
)
"""Every published mechanism, by family."""

CONTROLS: tuple[type[Mechanism], ...] = (Static,)
"""What a mechanism has to beat; found and made by name like the others, but nobody's invention."""

AMBIGUOUS: dict[str, dict[str, str | None]] = {
    "sca": {
        "the spatial and channel-wise attention of SCA-CNN": "sca_cnn",
        "the simple channel attention of NAFNet": None,
    },
    "gct": {
        "gated channel transformation": None,
        "the Gaussian context transformer": None,
    },
    "psa": {
        "polarized self-attention": None,
        "pyramid squeeze attention": None,
        "YOLO's partial self-attention": None,
    },
    "ema": {
        "efficient multi-scale attention": None,
        "the expectation maximisation of EMANet": None,
        "averaging of weights while training": None,
    },
    "sa": {
        "the shuffle attention of SA-Net": None,
        "self-attention": None,
        "spatial attention": "cbam_spatial",
    },
}
"""Acronyms that the field uses for several things, with the name that each has here, or None."""


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
        meanings = (f"{what} ({f'here {here!r}' if here else 'not here'})" for what, here in AMBIGUOUS[name].items())
        raise UnknownNameError(f"{name!r} means several things: {', '.join(meanings)}. Use the full name.")
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
