"""The modules that are inserted: a mechanism, or one between two changes of the order of axes."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from regard import attention
from regard.core.errors import OptionError, ShapeError, SurgeryError
from regard.core.features import Features
from regard.core.seeding import use_seed
from regard.core.spec import Spec
from regard.surgery.sites import Site


class ChannelsLast(nn.Module):
    """A mechanism on features whose channels are another axis than the second.

    Args:
        mechanism: on (b, c, ...).
        axis: of the channels.
    """

    def __init__(self, mechanism: nn.Module, axis: int) -> None:
        super().__init__()
        self.mechanism = mechanism
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """The mechanism's result, with the axes in the order of x."""
        y = self.mechanism(x.movedim(self.axis, 1)).movedim(1, self.axis)
        return y if y.stride() == x.stride() else torch.empty_like(x).copy_(y)


def check(mechanism: str | Spec, options: Mapping[str, object]) -> Spec:
    """The mechanism with its options, if it can be inserted at all.

    Raises:
        SurgeryError: it does not return features of the shape of its input, or needs other inputs besides.
        UnknownNameError: no such mechanism.
        OptionError: it is given by something else than its name, or with channels.
    """
    if not isinstance(mechanism, str | Spec):
        raise OptionError(
            f"{getattr(mechanism, '__name__', type(mechanism).__name__)} cannot be inserted: name a mechanism of "
            "regard, such as 'se' or 'cbam:reduction=8'. `regard list` shows them."
        )
    given = Spec.parse(mechanism)
    if "channels" in {**given.options, **options}:
        raise OptionError(f"{given.name}: channels cannot be given: each site has its own. Leave the option out.")
    spec = Spec(given.name, {**given.options, **options})  # type: ignore[dict-item]
    facts = attention.find(spec.name).facts
    if facts.returns != "features":
        raise SurgeryError(
            f"{spec.name} cannot be inserted: it returns a {facts.returns}, and what follows in the network needs "
            "features. `regard list` shows what each mechanism returns."
        )
    return spec


def build(spec: Spec, site: Site, start: str, seed: int) -> nn.Module:
    """The new module for a site, in its dtype and on its device.

    Raises:
        OptionError: an option that does not exist or does not go with the site's channels.
        ShapeError: the mechanism takes no features of that many axes.
    """
    kind = attention.find(spec.name)
    dims = len(site.positions)
    if dims not in kind.facts.dims:
        allowed = ", ".join(map(str, kind.facts.dims))
        raise ShapeError(f"{spec.name} takes features of {allowed} position axes; these have {dims}")
    options: dict[str, Any] = {"start": start, **spec.options}
    if "dims" in inspect.signature(kind).parameters:
        options.setdefault("dims", dims)
    with use_seed(seed, "surgery", site.path):
        mechanism = attention.create(spec.name, channels=site.channels, **options)
    needed = [given.name for given in mechanism.facts.inputs if not given.optional]
    if needed or not isinstance(mechanism, Features):
        raise OptionError(f"{spec}: it needs {', '.join(needed)} besides the features, which a site does not have")
    child: nn.Module = mechanism if site.axis == 1 else ChannelsLast(mechanism, site.axis)
    return child.to(device=site.device, dtype=site.dtype)


def measure(child: nn.Module, site: Site) -> int:
    """The multiply-adds of an inserted module at its site, for the example; it is run once.

    Raises:
        RegardError: it does not run on the features of the site.
    """
    child.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        x = torch.zeros(site.shape, dtype=site.dtype, device=site.device)
        y = child(x)
    if y.shape != x.shape:
        raise ShapeError(f"it makes {tuple(y.shape)} of {tuple(x.shape)}")
    return counter.get_total_flops() // 2
