"""The tables of the bench, for the terminal and for a page of the docs."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard.cost import Timing
from regard.recipes.bench_results import AS_IT_IS, AUTO, EAGER, PLAIN, REUSED, BenchResults, Case, Regime
from regard.recipes.bench_summary import MODES, Gain, Row, losses, refusals, savings, summarise
from regard.recipes.shapes import format_shape
from regard.report.numerals import NONE, count, duration, plural, size

SHOWN = 12
"""Losses that the terminal shows; the file has all."""

MODULE_COLUMNS = (
    "mechanism",
    "pass",
    "batch",
    "twin",
    "against the twin",
    "against it compiled",
    "against plain PyTorch",
    "in copies",
)
SAVING_COLUMNS = ("mechanism", "pass", "ours", "the twin", "page faults of ours", "with memory reuse")
NETWORK_COLUMNS = ("network", "pass", "plain, ms", "with ours", "with timm's")


def render(results: BenchResults) -> RenderableType:
    """The tables for the terminal, each followed by the cases that were lost or refused."""
    parts: list[RenderableType] = [Text(machine(results))]
    for regime in results.regimes:
        parts.append(Text(f"\n{title(regime)}", style="bold"))
        for columns, rows, note in tables(regime):
            parts += [_table(columns, rows), Text(note)]
        parts += [Text(line) for line in _remarks(regime)]
    for columns, rows, note in saving_table(results):
        parts += [Text("\nMemory reuse", style="bold"), _table(columns, rows), Text(note)]
    return Group(*parts)


def markdown(results: BenchResults) -> str:
    """The same for a page of the docs, with every loss."""
    parts = [machine(results)]
    for regime in results.regimes:
        parts.append(f"#### {title(regime)}")
        for columns, rows, note in tables(regime):
            parts += [_markdown_table(columns, rows), note]
        lost = [f"- {loss}" for loss in losses(regime.cases)]
        if any(not case.network for case in regime.cases):
            parts.append("Slower than the twin:" if lost else "In no case slower than the twin.")
        parts += ["\n".join(lost)] if lost else []
        refused = [f"- {sentence}." for sentence in refusals(regime.cases)]
        parts += ["Not timed:", "\n".join(refused)] if refused else []
    for columns, rows, note in saving_table(results):
        parts += ["#### Memory reuse", _markdown_table(columns, rows), note]
    return "\n\n".join(parts)


def saving_table(results: BenchResults) -> Iterator[tuple[Sequence[str], list[list[str]], str]]:
    """The effect of memory reuse, where it was measured with and without it."""
    regimes = {regime.name: regime for regime in results.regimes}
    if AS_IT_IS in regimes and REUSED in regimes and (found := savings(regimes[AS_IT_IS], regimes[REUSED])):
        rows = [
            [
                one.mechanism,
                MODES[one.mode],
                _times(one.ours),
                NONE if one.twin is None else _times(one.twin),
                *([NONE] * 2 if one.faults is None else [count(round(faults)) for faults in one.faults]),
            ]
            for one in found
        ]
        note = (
            "How many times as long a pass takes without memory reuse: geometric means over all shapes, one regime "
            "measured after the other."
        )
        yield SAVING_COLUMNS, rows, note


def tables(regime: Regime) -> Iterator[tuple[Sequence[str], list[list[str]], str]]:
    """The columns, the rows and a note of each table of a regime: modules, then networks."""
    if rows := summarise(regime.cases):
        note = (
            "How many times as long as ours: geometric means over shapes and layouts, with the lowest and the highest. "
            "In copies: our time at 256x56x56 divided by that of a copy of the input."
        )
        yield MODULE_COLUMNS, [_cells(row) for row in rows], note
    if networks := [case for case in regime.cases if case.network]:
        note = "How many times as long as the plain network: medians of each round's own ratio, with their quartiles."
        yield NETWORK_COLUMNS, [_network_cells(case) for case in networks], note


def title(regime: Regime) -> str:
    """The regime in words."""
    return f"Allocator: {regime.name} ({regime.allocator})"


def machine(results: BenchResults) -> str:
    """A sentence about the machine and the versions."""
    on, versions = results.machine, results.versions
    memory = "" if on.memory is None else f", {size(on.memory)}"
    packages = ", ".join(f"{name} {versions[name]}" for name in ("regard", "torch", "timm") if name in versions)
    return (
        f"{on.processor} ({on.capability}), {on.system}, {plural(on.threads, 'thread')} on {plural(on.cores, 'core')}"
        f"{memory}; {packages}; {results.dtype}, {plural(results.rounds, 'round')}, {duration(results.seconds)} in all."
    )


def _table(columns: Sequence[str], rows: list[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 else "right")
    for cells in rows:
        table.add_row(*cells)
    return table


def _markdown_table(columns: Sequence[str], rows: list[list[str]]) -> str:
    lines = [list(columns), ["---"] * 2 + ["---:"] * (len(columns) - 2), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Row) -> list[str]:
    gains = [_gain(gain) for gain in (row.eager, row.compiled, row.reference)]
    copies = NONE if row.copies is None else f"{row.copies:.1f}"
    return [row.mechanism, MODES[row.mode], str(row.batch), row.twin, *gains, copies]


def _gain(gain: Gain | None) -> str:
    """The mean with its range.

    >>> _gain(Gain(2.345, 0.9, 12.3, 4))
    '2.3 (0.90 to 12)'
    """
    if gain is None:
        return NONE
    return f"{_times(gain.mean)} ({_times(gain.low)} to {_times(gain.high)})"


def _times(value: float) -> str:
    return f"{value:.2f}" if value < 1.095 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _network_cells(case: Case) -> list[str]:
    timings = case.timings
    ratios = [_ratio(timings.get(name)) for name in (AUTO, EAGER)]
    mode = "training step" if case.mode == "training" else case.mode
    plain = f"{1000 * timings[PLAIN].seconds:.0f}"
    return [f"{case.network} with {case.mechanism}, {format_shape(case.shape)}", mode, plain, *ratios]


def _ratio(timing: Timing | None) -> str:
    if timing is None:
        return NONE
    return f"{timing.ratio:.3f} ({timing.ratio_low:.3f} to {timing.ratio_high:.3f})"


def _remarks(regime: Regime) -> Iterator[str]:
    """The losses and refusals in plain words, the worst first."""
    lost = losses(regime.cases)
    if any(not case.network for case in regime.cases):
        yield f"\nSlower than the twin in {plural(len(lost), 'case')}{':' if lost else '.'}"
    yield from (f"  {loss}" for loss in lost[:SHOWN])
    if len(lost) > SHOWN:
        yield f"  and {len(lost) - SHOWN} more"
    yield from refusals(regime.cases)
