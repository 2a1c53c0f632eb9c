"""The one list of mechanisms, and functions that find and build one by name."""

import inspect
from collections.abc import Iterable
from typing import overload

from regard.attention.branch.dynamic_conv import DynamicConv
from regard.attention.branch.lsk import LSK
from regard.attention.branch.odconv import ODConv
from regard.attention.branch.sk import SK
from regard.attention.branch.splat import Splat
from regard.attention.channel.cbam_channel import CBAMChannel
from regard.attention.channel.cse import CSE
from regard.attention.channel.dual_channel import DualChannel
from regard.attention.channel.eca import ECA
from regard.attention.channel.fca import FCA
from regard.attention.channel.gated_channel import GatedChannel
from regard.attention.channel.gc import GC
from regard.attention.channel.ge import GE
from regard.attention.channel.grn import GRN
from regard.attention.channel.hard_channel import HardChannel
from regard.attention.channel.se import SE
from regard.attention.channel.simple_channel import SimpleChannel
from regard.attention.channel.srm import SRM
from regard.attention.channel.static import Static
from regard.attention.channel.transposed import Transposed
from regard.attention.mixed.bam import BAM
from regard.attention.mixed.cbam import CBAM
from regard.attention.mixed.coord import Coord
from regard.attention.mixed.cpca import CPCA
from regard.attention.mixed.dual import Dual
from regard.attention.mixed.ela import ELA
from regard.attention.mixed.gam import GAM
from regard.attention.mixed.mlca import MLCA
from regard.attention.mixed.multiscale_ema import MultiscaleEMA
from regard.attention.mixed.polarized import Polarized
from regard.attention.mixed.sca_cnn import SCACNN
from regard.attention.mixed.scsa import SCSA
from regard.attention.mixed.scse import SCSE
from regard.attention.mixed.sge import SGE
from regard.attention.mixed.shuffle import Shuffle
from regard.attention.mixed.simam import SimAM
from regard.attention.mixed.triplet import Triplet
from regard.attention.spatial.attention_gate import AttentionGate
from regard.attention.spatial.attention_pool import AttentionPool
from regard.attention.spatial.caa import CAA
from regard.attention.spatial.cbam_spatial import CBAMSpatial
from regard.attention.spatial.criss_cross import CrissCross
from regard.attention.spatial.double import Double
from regard.attention.spatial.dual_position import DualPosition
from regard.attention.spatial.glimpse import Glimpse
from regard.attention.spatial.hard_spatial import HardSpatial
from regard.attention.spatial.lka import LKA
from regard.attention.spatial.lska import LSKA
from regard.attention.spatial.mil_pool import MILPool
from regard.attention.spatial.multihead import MultiHead
from regard.attention.spatial.nonlocal_ import NonLocal
from regard.attention.spatial.residual_mask import ResidualMask
from regard.attention.spatial.sse import SSE
from regard.attention.spatial.stn import STN
from regard.attention.spatial.strip import Strip
from regard.attention.temporal.additive import Additive
from regard.attention.temporal.coverage import Coverage
from regard.attention.temporal.frame_gate import FrameGate
from regard.attention.temporal.location_aware import LocationAware
from regard.attention.temporal.monotonic import Monotonic
from regard.attention.temporal.multiplicative import Multiplicative
from regard.attention.temporal.temporal_pool import TemporalPool
from regard.core.errors import OptionError, UnknownNameError, unknown_name
from regard.core.facts import Family, Kind
from regard.core.features import Features
from regard.core.hard import Hard, OnFeatures
from regard.core.mechanism import Mechanism
from regard.core.spec import Spec
from regard.core.temporal import Temporal

CATALOGUE: tuple[type[Features], ...] = (
    SE,
    ECA,
    CSE,
    CBAMChannel,
    GE,
    GC,
    SRM,
    GatedChannel,
    FCA,
    SimpleChannel,
    GRN,
    Transposed,
    DualChannel,
    HardChannel,
    SSE,
    CBAMSpatial,
    AttentionGate,
    ResidualMask,
    STN,
    NonLocal,
    Double,
    CrissCross,
    DualPosition,
    MultiHead,
    LKA,
    LSKA,
    CAA,
    Strip,
    AttentionPool,
    MILPool,
    CBAM,
    BAM,
    SCSE,
    SCACNN,
    Coord,
    Triplet,
    SimAM,
    SGE,
    Shuffle,
    Dual,
    GAM,
    ELA,
    MultiscaleEMA,
    MLCA,
    SCSA,
    Polarized,
    CPCA,
    SK,
    Splat,
    LSK,
    DynamicConv,
    ODConv,
)
"""Every published mechanism for the inside of a network or its head, by family."""

LOOKING: tuple[type[Features] | type[Hard], ...] = (Glimpse, HardSpatial)
"""Hard mechanisms that a network is built around, as `regard.models.RAM`; no other network takes them."""

SEQUENTIAL: tuple[type[Temporal] | type[Features], ...] = (
    Additive,
    Multiplicative,
    LocationAware,
    Coverage,
    Monotonic,
    TemporalPool,
    FrameGate,
)
"""Mechanisms for the steps of a sequence or the frames of a clip: between an encoder and a decoder, in place of the
last state or of the mean, or a gate."""

CONTROLS: tuple[type[Features], ...] = (Static,)
"""Controls that a mechanism has to beat; created by name like the others, but without a paper."""

AMBIGUOUS: dict[str, dict[str, str | None]] = {
    "ca": {
        "coordinate attention": "coord",
        "the channel attention of RCAN, which is squeeze-and-excitation": "se",
        "the channel half of CBAM": "cbam_channel",
    },
    "sca": {
        "the spatial and channel-wise attention of SCA-CNN": "sca_cnn",
        "the simplified channel attention of NAFNet": "simple_channel",
    },
    "gct": {
        "gated channel transformation": "gated_channel",
        "the Gaussian context transformer": None,
    },
    "psa": {
        "polarized self-attention": "polarized",
        "pyramid squeeze attention": None,
        "YOLO's partial self-attention": None,
    },
    "ema": {
        "efficient multi-scale attention": "multiscale_ema",
        "the expectation maximisation of EMANet": None,
        "averaging of weights while training": None,
    },
    "sa": {
        "the shuffle attention of SA-Net": "shuffle",
        "self-attention": "multihead",
        "spatial attention": "cbam_spatial",
    },
}
"""Acronyms that the field uses for several things, with the name that each has here, or None."""

OTHER_NAMES: dict[str, str] = {
    "a2": "double",
    "bahdanau": "additive",
    "ccnet": "criss_cross",
    "ceca": "eca:padding=circular",
    "danet": "dual",
    "ecam": "eca:hidden=8",
    "ese": "se:reduction=none,gate=hard_sigmoid",
    "gather_excite": "ge",
    "global_context": "gc",
    "location_sensitive": "location_aware:history=both",
    "luong": "multiplicative",
    "mdta": "transposed",
    "mhsa": "multihead",
    "selective_kernel": "sk",
    "soft_mask": "residual_mask",
    "spatial_transformer": "stn",
    "split_attention": "splat",
    "squeeze_excitation": "se",
    "squeeze_excite": "se",
}
"""Other names of a mechanism, or of a form of it, and the spec that creates it here."""

ENDINGS = ("attention", "att", "layer", "block", "module", "conv", "gate")
"""Affixes by which others make a class name of a mechanism's name: `SELayer`, `skconv`, `CoordAtt`."""


def names(*, family: Family | None = None, kind: Kind | None = None) -> tuple[str, ...]:
    """The names of the catalogue in its order, then those that a network is built around, then those for sequences.

    >>> names(family="mixed")[0]
    'cbam'
    """
    facts = (m.facts for m in (*CATALOGUE, *LOOKING, *SEQUENTIAL))
    return tuple(f.name for f in facts if family in (None, f.family) and kind in (None, f.kind))


def find(name: str) -> type[Features] | type[Hard] | type[Temporal]:
    """The class of that name; an unknown name is an error that lists the nearest."""
    here = {mechanism.facts.name: mechanism for mechanism in (*CATALOGUE, *LOOKING, *SEQUENTIAL, *CONTROLS)}
    if name in here:
        return here[name]
    meant = _meant(name, (*AMBIGUOUS, *OTHER_NAMES, *here))
    if meant in AMBIGUOUS:
        meanings = (f"{what} ({f'here {ours!r}' if ours else 'not here'})" for what, ours in AMBIGUOUS[meant].items())
        raise UnknownNameError(f"{name!r} means several things: {', '.join(meanings)}. Use the full name.")
    if meant is not None:
        raise UnknownNameError(f"There is no mechanism named {name!r}: here it is {OTHER_NAMES.get(meant, meant)!r}.")
    raise unknown_name("mechanism", name, here)


def _meant(name: str, known: Iterable[str]) -> str | None:
    """The known name that is `name` but for its case, its underscores and an ending of classes, or None."""
    folded = {_fold(one): one for one in known}
    name = _fold(name)
    endings = (ending for ending in ENDINGS if name.endswith(ending))
    tried = (name, *(name.removesuffix(ending) for ending in endings))
    return next((folded[one] for one in tried if one in folded), None)


def _fold(name: str) -> str:
    return name.lower().replace("_", "")


_NOT_GIVEN = object()


@overload
def create(  # type: ignore[overload-overlap]
    name: str | Spec, *, channels: int, **options: object
) -> OnFeatures: ...


@overload
def create(name: str | Spec, *, query_size: int, key_size: int, **options: object) -> Temporal: ...


def create(name: str | Spec, *, channels: object = _NOT_GIVEN, **options: object) -> Mechanism:
    """A new module by the mechanism's name or spec.

    Args:
        name: for example `cbam` or `cbam:reduction=8`; options given here override those of the name.
        channels: number of channels, of a mechanism of features.
        options: `query_size` and `key_size` of a mechanism of sequences; then options of its own, see its class.

    Raises:
        UnknownNameError: no such mechanism.
        OptionError: no such option, a value it does not allow, or a size that is missing.

    Example:
        >>> create("se", channels=64, reduction=8).reduce.out_features
        8
        >>> create("additive", query_size=64, key_size=128).key_size
        128
    """
    spec = Spec.parse(name)
    options |= {} if channels is _NOT_GIVEN else {"channels": channels}
    mechanism = find(spec.name)
    parameters = inspect.signature(mechanism).parameters
    sizes = [size for size, parameter in parameters.items() if parameter.default is parameter.empty]
    allowed = tuple(option for option in parameters if option not in sizes)
    missing = [size for size in sizes if size not in options]
    if missing:
        asked = " and ".join(f"{size}=..." for size in missing)
        raise OptionError(f"create: {spec.name!r} is built for {' and '.join(sizes)}; give {asked}.")
    for option in (*spec.options, *(option for option in options if option not in sizes)):
        if option not in allowed:
            error = unknown_name(f"option of {spec.name!r}", option, allowed)
            raise OptionError(str(error))
    return mechanism(**spec.options | options)  # type: ignore[arg-type]
