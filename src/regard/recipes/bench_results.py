"""The results of `regard bench`: the record that its file holds."""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from regard.core.coding import decode, encode
from regard.core.files import write_whole
from regard.cost import Timing

Layout = Literal["contiguous", "channels last"]
Mode = Literal["inference", "training"]

AUTO, REFERENCE, EAGER, COMPILED, COPY, PLAIN = "auto", "reference", "eager", "compiled", "copy", "plain"
"""The contestants: ours as it is built, ours in plain PyTorch, the twin, the twin compiled, a copy of the tensor, and
the network without attention."""

REUSED, AS_IT_IS, SET = "memory reuse", "out of the box", "set by the user"
"""The regimes of the allocator."""

REMEDY = "it was written by another version of regard, or changed by hand. Run the bench again"


@dataclass(frozen=True, kw_only=True)
class Case:
    """The measurements of one mechanism at one shape, or of one network.

    Attributes:
        mechanism: its name, with options.
        network: the network that holds it; empty for a single module.
        shape: of the input, the batch first.
        layout: of the input in memory.
        mode: `inference`, or `training`: forward and backward of a module, a whole step of a network.
        twin: the class of the other library, or the reason why there is none.
        timings: the contestants that were timed. Ratios are to `auto`, of a network to `plain`.
        refused: the contestants that were not timed, with the reason.
    """

    mechanism: str
    network: str = ""
    shape: tuple[int, ...]
    layout: Layout
    mode: Mode
    twin: str
    timings: dict[str, Timing]
    refused: dict[str, str]

    def times_faster(self, other: str) -> float | None:
        """The time of the other contestant divided by ours; None where one of them was not timed."""
        if AUTO not in self.timings or other not in self.timings or self.network:
            return None
        return self.timings[other].ratio


@dataclass(frozen=True, kw_only=True)
class Regime:
    """The measurements with one setting of the allocator.

    Attributes:
        name: `memory reuse`, `out of the box` or `set by the user`.
        allocator: its description.
        cases: the measurements.
    """

    name: Literal["memory reuse", "out of the box", "set by the user"]
    allocator: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine and its share that was used.

    Attributes:
        processor: its name.
        cores: that this process may use.
        threads: that PyTorch used.
        system: operating system and architecture.
        memory: in bytes; None where it is not known.
        capability: the vector instructions that PyTorch uses.
    """

    processor: str
    cores: int
    threads: int
    system: str
    memory: int | None
    capability: str


@dataclass(frozen=True, kw_only=True)
class BenchResults:
    """All that one run of `regard bench` measured.

    Attributes:
        schema: number of this form.
        date: of the run, ISO 8601.
        seconds: that it took.
        versions: of the packages.
        machine: that it ran on.
        dtype: of all tensors.
        rounds: of every case.
        regimes: the measurements, the usual regime first.
    """

    schema: Literal[1] = 1
    date: str
    seconds: float
    versions: dict[str, str]
    machine: Machine
    dtype: Literal["float32"] = "float32"
    rounds: int
    regimes: tuple[Regime, ...]


def describe_machine(threads: int) -> Machine:
    """Describes this machine."""
    import torch

    has_memory = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=threads,
        system=f"{platform.system()} {platform.machine()}",
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if has_memory else None,
        capability=torch.backends.cpu.get_cpu_capability(),
    )


def _processor() -> str:
    """The processor's name; Linux keeps it in a file."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write_bench(results: BenchResults, path: Path | str) -> Path:
    """Writes the results as JSON, a case on each line.

    Raises:
        RunError: the file cannot be written.
    """
    record: Any = encode(results)
    regimes = record.pop("regimes")
    head = json.dumps(record, indent=1, allow_nan=False).removesuffix("\n}")
    bodies = []
    for regime in regimes:
        cases = ",\n".join(json.dumps(_round(case), allow_nan=False) for case in regime.pop("cases"))
        bodies.append(f'{json.dumps(regime)[:-1]}, "cases": [\n{cases}\n]}}')
    return write_whole(path, f'{head},\n "regimes": [{", ".join(bodies)}]\n}}\n'.encode())


def read_bench(path: Path | str) -> BenchResults:
    """Reads the results.

    Raises:
        RunError: it is no file of results, or one of another version.
    """
    from regard.core.errors import RunError

    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read as results of regard bench: {error}.") from error
    return decode(BenchResults, record, str(path), remedy=REMEDY)


def _round(value: Any) -> Any:
    """Numbers with six digits, more than any clock is worth."""
    if isinstance(value, dict):
        return {key: _round(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_round(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
