"""Plans: a mechanism at every site of a selection, measured before anything is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from regard.core.errors import OptionError, RegardError, SurgeryError, UnknownNameError
from regard.core.spec import Spec
from regard.surgery.attended import attach, detach
from regard.surgery.dataflow import count_calls
from regard.surgery.dry_run import run, undisturbed
from regard.surgery.handle import Handle
from regard.surgery.inserted import build, check, measure
from regard.surgery.refusals import refuse
from regard.surgery.sites import Rejected, Site
from regard.surgery.tables import table

if TYPE_CHECKING:
    from regard.core.features import Start


@dataclass(frozen=True, eq=False)
class Row:
    """One site of a plan.

    Attributes:
        site: the site.
        parameters: added there.
        macs: multiply-adds added there for the example.
        module: the module to insert; None where the site is skipped.
        skipped: the reason why it is skipped, or None.
    """

    site: Site
    parameters: int = 0
    macs: int = 0
    module: nn.Module | None = field(default=None, repr=False)
    skipped: str | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """A mechanism at every site of a selection; nothing is changed until it is applied.

    Attributes:
        mechanism: with its options.
        start: `identity` or `paper`.
        seed: of the initial values.
        rows: the sites, in the order of the pass.
        rejected: results that are like the sites and are none, with the reasons.
    """

    mechanism: Spec
    start: str
    seed: int
    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]
    _net: nn.Module = field(repr=False)
    _example: Any = field(repr=False)

    @property
    def inserted(self) -> dict[str, nn.Module]:
        """The new modules by the paths of their hosts."""
        return {row.site.path: row.module for row in self.rows if row.module is not None}

    def parameters(self) -> Iterator[nn.Parameter]:
        """The new parameters alone."""
        for module in self.inserted.values():
            yield from module.parameters()

    def apply(self) -> Handle:
        """Inserts the modules; all of them or, after an error, none.

        Raises:
            SurgeryError: the network was compiled, wrapped, scripted or quantised since, or has other attention at one
                of the sites.
        """
        refuse(self._net)
        done: list[nn.Module] = []
        modules = dict(self._net.named_modules())
        try:
            for path, child in self.inserted.items():
                if path not in modules:
                    raise SurgeryError(f"{path}: the network no longer has this module: select the sites again.")
                attach(modules[path], child)
                done.append(modules[path])
        except BaseException as error:
            for host in reversed(done):
                detach(host)
            if isinstance(error, SurgeryError) and path in modules:
                raise SurgeryError(f"{path}: {error} Nothing was changed.") from error
            raise
        return Handle(self._net, self.inserted, self.to_json())

    @contextmanager
    def applied(self) -> Iterator[Handle]:
        """Inserts the modules inside the block, and takes them out at its end, also after an exception."""
        handle = self.apply()
        try:
            yield handle
        finally:
            handle.revert()

    def to_json(self) -> dict[str, Any]:
        """The plan in JSON's types, from which `regard.surgery.load` inserts into another copy of the network."""
        sites = [
            {
                "path": row.site.path,
                "channels": row.site.channels,
                "dims": len(row.site.positions),
                "axis": row.site.axis,
            }
            for row in self.rows
            if row.module is not None
        ]
        return {"mechanism": str(self.mechanism), "start": self.start, "seed": self.seed, "sites": sites}

    def __str__(self) -> str:
        used = [row for row in self.rows if row.module is not None]
        parameters, macs = (sum(getattr(row, name) for row in used) for name in ("parameters", "macs"))
        rows = [(r.site.path, r.site.channels, r.parameters, r.macs) for r in used]
        lines = [
            f"{self.mechanism} at {len(used)} sites of {type(self._net).__name__}, start={self.start}: "
            f"{parameters:,} parameters, {macs:,} multiply-adds for an input of {_size(self._example)}"
        ]
        lines.append(table(("path", "channels", "parameters", "multiply-adds"), rows))
        lines += [f"skipped: {row.site.path}: {row.skipped}" for row in self.rows if row.skipped]
        lines += [f"not a site: {one.path}: {one.reason}" for one in self.rejected]
        return "\n".join(lines)


def make_plan(
    net: nn.Module,
    example: Any,
    sites: tuple[Site, ...],
    rejected: tuple[Rejected, ...],
    mechanism: str | Spec,
    *,
    start: "Start",
    seed: int,
    **options: Any,
) -> Plan:
    """The plan of a mechanism at sites of a network."""
    spec = check(mechanism, options)
    start = str(spec.options.get("start", start))  # type: ignore[assignment]
    spec = Spec(spec.name, {name: value for name, value in spec.options.items() if name != "start"})
    with undisturbed(net):
        rows = _check_calls(net, example, tuple(_row(net, spec, site, start, seed) for site in sites))
    failed = [row for row in rows if row.module is None]
    if len(failed) == len(rows):
        raise SurgeryError(f"{spec} fits no site of {type(net).__name__}; {failed[0].site.path}: {failed[0].skipped}")
    return Plan(spec, start, seed, rows, rejected, net, example)


def _row(net: nn.Module, spec: Spec, site: Site, start: str, seed: int) -> Row:
    try:
        child = build(spec, site, start, seed)
    except UnknownNameError:
        raise
    except OptionError as error:
        if "There is no option" in str(error):
            raise
        return Row(site, skipped=str(error))
    except RegardError as error:
        return Row(site, skipped=str(error))
    like = next(net.get_submodule(site.path).parameters(), None)
    like = next(net.parameters(), None) if like is None else like
    try:
        macs = measure(child, site)
    except RegardError as error:
        return Row(site, skipped=str(error))
    if like is not None and like.is_floating_point():
        child.to(dtype=like.dtype)
    return Row(site, sum(p.numel() for p in child.parameters()), macs, child)


def _check_calls(net: nn.Module, example: Any, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Skips sites whose hosts run their own children too, so that an inserted one would run twice."""
    hosts = [(row.site.path, row.module) for row in rows if row.module is not None]
    done: list[nn.Module] = []
    try:
        for path, child in hosts:
            host = net.get_submodule(path)
            try:
                attach(host, child)
            except SurgeryError as error:
                raise SurgeryError(f"{path}: {error} Nothing was changed.") from error
            done.append(host)
        names = {id(row.module): row.site.path for row in rows if row.module is not None}
        calls = count_calls(net, names, example, run)
    finally:
        for host in reversed(done):
            detach(host)
    return tuple(
        Row(row.site, skipped=f"{row.site.host} runs its children by itself")
        if row.module is not None and calls[row.site.path] != row.site.calls
        else row
        for row in rows
    )


def _size(example: Any) -> str:
    return "x".join(map(str, example.shape)) if hasattr(example, "shape") else type(example).__name__
