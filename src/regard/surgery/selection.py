"""Selections of sites in a network: values that can be printed, counted, refined, and turned into a plan."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import nn

from regard.core.errors import SurgeryError, unknown_name
from regard.core.features import Start
from regard.core.options import at_least
from regard.core.spec import Spec
from regard.surgery.attended import ALREADY
from regard.surgery.dataflow import trace
from regard.surgery.dry_run import first_that_runs, run
from regard.surgery.handle import Handle
from regard.surgery.plan import Plan, make_plan
from regard.surgery.refusals import refuse
from regard.surgery.sites import KINDS, Rejected, Site, find_sites
from regard.surgery.tables import table


@dataclass(frozen=True, eq=False)
class Selection:
    """Sites of a network. Every method returns another selection and changes nothing.

    Attributes:
        sites: those selected, in the order of the pass.
        rejected: results that are like sites and are none, with the reasons.
        every_site: all sites of the network.
    """

    sites: tuple[Site, ...]
    rejected: tuple[Rejected, ...]
    every_site: tuple[Site, ...] = field(repr=False)
    _net: nn.Module = field(repr=False)
    _example: Any = field(repr=False)
    _steps: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the modules at whose results the sites are."""
        return tuple(site.path for site in self.sites)

    def at(self, at: Literal["residual", "stage", "conv", "auto"]) -> "Selection":
        """The sites of one kind: before the addition of a shortcut, between two stages, or after a convolution.

        Args:
            at: `auto` is `residual` where there is such a site, else `stage`, else `conv`.

        Raises:
            UnknownNameError: no such kind.
        """
        if at == "auto":
            # Where all sites of a kind are taken, another kind would come as a surprise.
            there = {site.at for site in self.sites} | {one.at for one in self.rejected if one.reason == ALREADY}
            at = next((kind for kind in KINDS if kind in there), "residual")
        if at not in KINDS:
            raise unknown_name("kind of site", at, (*KINDS, "auto"))
        return self._keep(lambda site: site.at == at, f"at({at!r})")

    def matching(self, pattern: str) -> "Selection":
        """The sites whose paths match a pattern with `*` and `?`, such as `layer3.*`."""
        return self._keep(lambda site: fnmatchcase(site.path, pattern), f"matching({pattern!r})")

    def where(self, predicate: Callable[[Site], bool]) -> "Selection":
        """The sites for which the predicate is true."""
        return self._keep(predicate, "where(...)")

    def last_stage(self) -> "Selection":
        """The sites whose features have the fewest positions."""
        fewest = min((_area(site) for site in self.sites), default=0)
        return self._keep(lambda site: _area(site) == fewest, "last_stage()")

    def every(self, k: int) -> "Selection":
        """Every k-th site, the first one always.

        Raises:
            OptionError: k is no integer of at least 1.
        """
        chosen = set(self.sites[:: at_least("select", "every", k, 1)])
        return self._keep(lambda site: site in chosen, f"every({k})")

    def expect(self, sites: int) -> "Selection":
        """The selection itself.

        Raises:
            SurgeryError: it has another number of sites.
        """
        if len(self) != sites:
            raise SurgeryError(f"{self._words()} has {len(self)} sites, and {sites} were expected.\n{self}")
        return self

    def insert(self, mechanism: str | Spec, *, start: Start = "identity", seed: int = 0, **options: Any) -> Plan:
        """Plans a mechanism at every site; nothing is changed before the plan is applied.

        Args:
            mechanism: `NAME[:option=value,...]`.
            start: `identity` leaves every output of the network as it is until the mechanism is trained; `paper`
                starts as published.
            seed: the initial values are a function of the seed and the site's path.
            options: the mechanism's own.

        Raises:
            SurgeryError: no site, sites of several kinds, a mechanism that returns no features or does not fit.
            UnknownNameError: no such mechanism.
            OptionError: no such option, or a value it does not allow.
        """
        if not self.sites:
            raise SurgeryError(self._nothing())
        kinds = Counter(site.at for site in self.sites)
        if len(kinds) > 1:
            counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            raise SurgeryError(f"{self._words()} has sites of several kinds ({counts}): choose one, for example "
                               f".at({next(iter(kinds))!r}).")  # fmt: skip
        rejected = tuple(r for r in self.rejected if r.at in kinds)
        return make_plan(self._net, self._example, self.sites, rejected, mechanism, start=start, seed=seed, **options)

    def __str__(self) -> str:
        rows = [(s.path, s.at, s.host, s.channels, "x".join(map(str, s.positions))) for s in self.sites]
        counts = ", ".join(f"{count} {kind}" for kind, count in Counter(s.at for s in self.sites).items())
        lines = [f"{self._words()}: {len(self)} sites" + (f" ({counts})" if counts else "")]
        if rows:
            lines.append(table(("path", "at", "module", "channels", "positions"), rows))
        lines += [f"not a site: {r.path} ({r.at}): {r.reason}" for r in self.rejected[:5]]
        return "\n".join(lines)

    def _keep(self, predicate: Callable[[Site], bool], step: str) -> "Selection":
        kept = tuple(site for site in self.sites if predicate(site))
        kinds = {site.at for site in kept}
        rejected = tuple(r for r in self.rejected if r.at in kinds or not kinds)
        return replace(self, sites=kept, rejected=rejected, _steps=(*self._steps, step))

    def _words(self) -> str:
        return ".".join((f"select({type(self._net).__name__})", *self._steps))

    def _nothing(self) -> str:
        """Nothing was found; the message lists near misses."""
        patterns = [step[len("matching('") : -2] for step in self._steps if step.startswith("matching(")]
        paths = list(dict.fromkeys(site.path for site in self.every_site))
        near = [path for pattern in patterns for path in difflib.get_close_matches(pattern, paths, 5, 0.3)]
        counts = Counter(site.at for site in self.every_site)
        there = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
        text = f"{self._words()} has no site; the network has {there}."
        if near or paths:
            text += f" Sites near: {', '.join(near or paths[:5])}."
        if self.rejected:
            text += " Not sites: " + "; ".join(f"{r.path}: {r.reason}" for r in self.rejected[:5]) + "."
        return text


def select(net: nn.Module, example: Any = None) -> Selection:
    """All sites of a network at which a mechanism can be inserted, found in one forward pass.

    The pass runs in evaluation mode without gradients; buffers, training flags and random numbers are put back.

    Args:
        net: any network.
        example: an input of it; a tuple is its arguments, a dict its keyword arguments. If None, a usual one is found.

    Raises:
        SurgeryError: the network runs on no usual input, or was compiled, wrapped, scripted, quantised, or has lazy
            layers without shapes.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))
        >>> print(select(net).at("conv"))
        select(Sequential).at('conv'): 2 sites (2 conv)
        path  at    module  channels  positions
        2     conv  ReLU           8    222x222
        3     conv  Conv2d         8    220x220
    """
    refuse(net)
    example, flow = first_that_runs(net, example, lambda given: trace(net, given, run))
    sites, rejected = find_sites(net, flow)
    return Selection(sites, rejected, sites, net, example)


def attach(
    net: nn.Module,
    mechanism: str | Spec,
    at: Literal["residual", "stage", "conv", "auto"] = "auto",
    *,
    example: Any = None,
    start: Start = "identity",
    seed: int = 0,
    **options: Any,
) -> Handle:
    """Inserts a mechanism at all sites of one kind; returns the handle that takes it out again."""
    plan = select(net, example).at(at).insert(mechanism, start=start, seed=seed, **options)
    return plan.apply()


def _area(site: Site) -> int:
    area = 1
    for size in site.positions:
        area *= size
    return area
