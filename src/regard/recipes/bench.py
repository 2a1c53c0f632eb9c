"""`regard bench`: measure mechanisms against the same ones in other libraries, and against a copy of the tensor."""

import itertools
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch
from rich.console import Group, RenderableType
from rich.progress import track
from rich.text import Text

from regard.attention import create
from regard.core import OptionError
from regard.core.allocator import describe_allocator, obstacle, reuse_memory, set_by_user
from regard.core.devices import set_threads
from regard.core.files import expect_writable
from regard.core.options import at_least
from regard.recipes.bench_modules import FORMATS, ModulePlan, measure_module
from regard.recipes.bench_networks import MECHANISMS, ROUNDS, NetworkPlan, measure_network
from regard.recipes.bench_results import (
    AS_IT_IS,
    REUSED,
    SET,
    BenchResults,
    Case,
    Mode,
    Regime,
    describe_machine,
    write_bench,
)
from regard.recipes.bench_summary import describe
from regard.recipes.bench_table import render
from regard.recipes.bench_twins import TWINS, USUAL, expect_measurable
from regard.recipes.console import console
from regard.recipes.shapes import format_shape, read_shape
from regard.recipes.versions import versions
from regard.recipes.workers import run_jobs

SHAPES = ("64x56x56", "256x56x56", "512x28x28", "1024x14x14", "2048x7x7")
QUICK_SHAPES = ("256x56x56", "1024x14x14", "2048x7x7")
BATCHES = (16, 1)
QUICK_BATCHES = (16,)
MODULE_ROUNDS = 11
QUICK_ROUNDS = 3
COMPILED_MECHANISMS = ("se", "cbam")
COMPILED_SHAPES = ("256x56x56", "1024x14x14")

Plan = ModulePlan | NetworkPlan


@dataclass(frozen=True)
class Work:
    """The cases to measure with one setting of the allocator."""

    plans: tuple[Plan, ...]
    rounds: int
    reuse: bool


@dataclass(frozen=True)
class Benched:
    """The results of a bench and the path of its file, if it was written."""

    results: BenchResults
    path: Path | None

    def __rich__(self) -> RenderableType:
        """Returns the tables, and where the file is."""
        tables = render(self.results)
        return tables if self.path is None else Group(tables, Text(f"\nresults: {self.path}"))


def bench(
    mechanisms: Sequence[str] = USUAL,
    *,
    shapes: Sequence[str] = SHAPES,
    batches: Sequence[int] = BATCHES,
    compiled: Literal["some", "all", "none"] = "some",
    networks: bool = False,
    quick: bool = False,
    out_of_the_box: bool = False,
    rounds: int | None = None,
    threads: int | None = None,
    out: str | None = None,
) -> Benched:
    """Measures the time of mechanisms on this CPU, against the same ones in other libraries and a copy of the input.

    Contestants take turns in one process: ours, ours in plain PyTorch, the twin of timm or another library, the twin
    compiled, and a copy of the tensor, which no gate can beat. Before anything is timed, outputs and gradients are
    compared with equal weights; a contestant that is wrong is named and not timed. All are measured in inference and
    in forward + backward, contiguous and channels last, while freed memory is kept for reuse (Linux with glibc). The
    full bench takes up to an hour; use the machine for nothing else meanwhile.

    Args:
        mechanisms: mechanisms to measure, each NAME[:option=value,...]; one with options, or without a twin, is
            measured against itself in plain PyTorch. Of sk only the choice between two given branches is measured.
        shapes: channels and sizes of the features.
        batches: numbers of images in a pass.
        compiled: which twins are also compiled: `some` (se and cbam, at 256x56x56 and 1024x14x14, the first batch
            size), all or none.
        networks: measure whole networks instead: ResNet-50 of timm with se and cbam, ours and timm's, against the plain
            one; a training step and an inference of 8 images of 160 pixels, channels last.
        quick: three shapes, one batch size, few rounds, and no compiled twins, unless these options are given.
        out_of_the_box: measure everything again in a process whose allocator is left as it is.
        rounds: number of rounds; by default 11, with `quick` 3, of networks 31.
        threads: number of CPU threads; PyTorch's default if not given.
        out: JSON file to write, with all medians and quartiles.

    Returns:
        The tables.

    Raises:
        RegardError: an unknown mechanism, or an option that is not allowed.
    """
    if out_of_the_box and (reason := obstacle()) is not None:
        raise OptionError(
            f"regard bench: --out-of-the-box would measure the same again, because {reason}: leave the option out, or "
            "run it where glibc may be set."
        )
    started, clock = datetime.now(UTC), time.monotonic()
    usual = QUICK_ROUNDS if quick else ROUNDS if networks else MODULE_ROUNDS
    number = usual if rounds is None else at_least("bench", "rounds", rounds, 1)
    if networks:
        if (tuple(shapes), tuple(batches), compiled) != (SHAPES, BATCHES, "some"):
            raise OptionError(
                "regard bench: --shapes, --batches and --compiled are not allowed with --networks, whose input is "
                "fixed: leave them out."
            )
        plans = _plan_networks(mechanisms)
    else:
        if quick:
            shapes = QUICK_SHAPES if tuple(shapes) == SHAPES else shapes
            batches = QUICK_BATCHES if tuple(batches) == BATCHES else batches
            compiled = "none" if compiled == "some" else compiled
        plans = _plan_modules(mechanisms, shapes, batches, compiled)
    if out is not None:
        expect_writable(Path(out))
    budget = set_threads(threads)
    regimes = [_measure(Work(plans, number, reuse=True))]
    if out_of_the_box:
        regimes.append(_measure_apart(Work(plans, number, reuse=False), budget))
    results = BenchResults(
        date=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - clock,
        versions=versions(*{twin.library for twin in TWINS.values()}),
        machine=describe_machine(budget),
        rounds=number,
        regimes=tuple(regimes),
    )
    return Benched(results, None if out is None else write_bench(results, out))


def _plan_modules(
    mechanisms: Sequence[str], shapes: Sequence[str], batches: Sequence[int], compiled: str
) -> tuple[Plan, ...]:
    """Checks the options and returns the cases, a mechanism after the other."""
    for batch in batches:
        at_least("bench", "batches", batch, 1)
    for shape in shapes:
        if shape.count("x") != 2:
            raise OptionError(
                f"regard bench: --shapes {shape} is not allowed; write CHANNELSxHEIGHTxWIDTH, as in {SHAPES[0]}."
            )
    sizes = [read_shape(shape) for shape in shapes]
    for mechanism, channels in itertools.product(mechanisms, dict.fromkeys(size[0] for size in sizes)):
        _expect_options(mechanism, channels)
    modes: tuple[Mode, ...] = ("inference", "training")
    return tuple(
        ModulePlan(
            mechanism=mechanism,
            shape=(batch, *size),
            layout=layout,
            mode=mode,
            compiled=compiled == "all"
            or (
                compiled == "some"
                and mechanism in COMPILED_MECHANISMS
                and format_shape(size) in COMPILED_SHAPES
                and batch == batches[0]
            ),
        )
        for mechanism, batch, size, layout, mode in itertools.product(mechanisms, batches, sizes, FORMATS, modes)
    )


def _expect_options(mechanism: str, channels: int) -> None:
    """Builds a mechanism without memory, so that wrong options are found before anything is measured."""
    spec = expect_measurable(mechanism)
    # Some compute their first weights from values, which a tensor without memory has not.
    with torch.device("meta"), suppress(NotImplementedError):
        create(spec, channels=channels)


def _plan_networks(mechanisms: Sequence[str]) -> tuple[Plan, ...]:
    """The cases of whole networks: by default those of all mechanisms that timm's networks have."""
    chosen = tuple(MECHANISMS) if tuple(mechanisms) == USUAL else tuple(mechanisms)
    for mechanism in chosen:
        if mechanism not in MECHANISMS:
            raise OptionError(
                f"regard bench: {mechanism} is not measured in whole networks; choose from {', '.join(MECHANISMS)}."
            )
    modes: tuple[Mode, ...] = ("training", "inference")
    return tuple(NetworkPlan(mechanism=mechanism, mode=mode) for mechanism in chosen for mode in modes)


def _measure(work: Work) -> Regime:
    """Measures all cases in this process."""
    reused = reuse_memory() if work.reuse else False
    name = SET if set_by_user() else REUSED if reused else AS_IT_IS
    cases = []
    for plan in track(work.plans, "measuring", console=console, transient=True):
        cases.append(_measure_one(plan, work.rounds))
        console.print(f"{describe(cases[-1])}", style="dim", highlight=False)
    return Regime(name=name, allocator=describe_allocator(), cases=tuple(cases))  # type: ignore[arg-type]


def _measure_one(plan: Plan, rounds: int) -> Case:
    with warnings.catch_warnings():
        # A batch of one image is measured on purpose.
        warnings.filterwarnings("ignore", message=".*saw one value per channel")
        return measure_module(plan, rounds) if isinstance(plan, ModulePlan) else measure_network(plan, rounds)


def _measure_apart(work: Work, threads: int) -> Regime:
    """Measures all cases in a new process, whose allocator nobody has touched."""
    (outcome,) = run_jobs(_measure, [work], workers=1, threads=threads)
    if outcome.result is None:
        raise outcome.error or AssertionError("a job without a result has an error")
    return replace(outcome.result, name=AS_IT_IS)  # type: ignore[arg-type]
