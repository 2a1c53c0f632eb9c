"""The attention that a foreign network has already, made visible by taps."""

from dataclasses import dataclass

from torch import Tensor, nn

from regard.core.errors import SurgeryError
from regard.core.tap import Tap
from regard.surgery.attended import attach, detach, refusal
from regard.surgery.handle import Handle
from regard.surgery.refusals import refuse


@dataclass(frozen=True)
class Known:
    """A module of another library whose gate is the result of one of its submodules.

    Attributes:
        library: the package.
        name: of the class.
        gate: the submodule whose result is the gate, applied to the features by a product.
        kind: of the map.
        in_a_row: whether the gate is (b, 1, c), to be viewed as (b, c, 1, 1).
    """

    library: str
    name: str
    gate: str
    kind: str
    in_a_row: bool = False


KNOWN = (
    Known("timm", "SEModule", "gate", "gate"),
    Known("timm", "SqueezeExcite", "gate", "gate"),
    Known("timm", "EffectiveSEModule", "gate", "gate"),
    Known("timm", "EcaModule", "gate", "gate", in_a_row=True),
    Known("timm", "CecaModule", "gate", "gate", in_a_row=True),
    Known("timm", "ChannelAttn", "gate", "gate"),
    Known("timm", "SpatialAttn", "gate", "spatial"),
    Known("torchvision", "SqueezeExcitation", "scale_activation", "gate"),
)
"""Squeeze-and-excitation, ECA and the two halves of CBAM in timm, and squeeze-and-excitation in torchvision."""


class RowTap(Tap):
    """A tap for a gate over channels that is kept as (b, 1, c)."""

    def forward(self, values: Tensor) -> Tensor:
        """The gate as it is applied, (b, 1, c)."""
        return super().forward(values.transpose(1, 2)[..., None]).squeeze(-1).transpose(1, 2)


def attentions(net: nn.Module) -> Handle:
    """Finds the attention that is already inside a network, and lets its maps be observed and replaced.

    The gates of timm's `SEModule`, `SqueezeExcite`, `EffectiveSEModule`, `EcaModule`, `CecaModule` and `CbamModule` and
    of torchvision's `SqueezeExcitation` pass a tap from then on, so that `regard.observe`, explanations and ablations
    work. No output changes, and no parameter is added.

    Args:
        net: any network.

    Returns:
        The handle, whose `revert` takes the taps out again.

    Raises:
        SurgeryError: there is no such attention, or the network was compiled, wrapped, scripted, quantised or is lazy.

    Example:
        >>> from torchvision.ops import SqueezeExcitation
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), SqueezeExcitation(8, 2))
        >>> with attentions(net) as handle:
        ...     list(handle.modules)
        ['1.scale_activation']
    """
    refuse(net)
    found: dict[str, tuple[nn.Module, Known]] = {}
    skipped = []
    for path, module in net.named_modules():
        known = next((k for k in KNOWN if _is(module, k)), None)
        gate = getattr(module, known.gate, None) if known is not None else None
        if known is None or not isinstance(gate, nn.Module):
            continue
        where = f"{path}.{known.gate}".lstrip(".")
        reason = refusal(gate)
        if reason is not None:
            skipped.append(f"{where}: {reason}")
        elif not any(gate is other for other, _ in found.values()):
            found[where] = gate, known
    if not found:
        names = ", ".join(dict.fromkeys(f"{k.library}'s {k.name}" for k in KNOWN))
        more = f" Not to be used: {'; '.join(skipped[:3])}." if skipped else ""
        raise SurgeryError(f"{type(net).__name__} has none of the attention that is known: {names}.{more}")
    taps: dict[str, nn.Module] = {}
    try:
        for where, (gate, known) in found.items():
            tap = (RowTap if known.in_a_row else Tap)(known.kind)
            attach(gate, tap)
            taps[where] = tap
    except BaseException:
        for where in taps:
            detach(found[where][0])
        raise
    return Handle(net, taps, {"mechanism": "taps", "sites": [{"path": where} for where in taps]})


def _is(module: nn.Module, known: Known) -> bool:
    """Returns whether a module is of that class, or of a subclass with the same forward."""
    for kind in type(module).__mro__:
        if kind.__name__ == known.name and kind.__module__.split(".")[0] == known.library:
            return type(module).forward is vars(kind).get("forward")
    return False
