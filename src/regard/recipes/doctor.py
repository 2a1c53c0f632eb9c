"""`regard doctor`: report versions, devices and memory of this machine, and problems to fix."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard import __version__
from regard.core.allocator import SETTINGS, describe_allocator, loaded_allocator, obstacle, set_by_user
from regard.core.errors import OptionError
from regard.core.shared_memory import SHARED, free_bytes
from regard.kernels import (
    apply_gate,
    convolve_planes,
    operators,
    select_branches,
    squeeze_axes,
    squeeze_channels,
    squeeze_positions,
    sum_channels,
)

_EXTRAS = {"timm": ("timm",), "video": ("av",), "sound": ("soundfile",), "onnx": ("onnx", "onnxscript", "onnxruntime")}
_PRIMITIVES: dict[str, Callable[[torch.Tensor], object]] = {
    "squeeze_positions": lambda x: squeeze_positions(x, "mean", impl="cpu"),
    "squeeze_channels": lambda x: squeeze_channels(x, "mean", impl="cpu"),
    "sum_channels": lambda x: sum_channels(x, x.new_ones(8), impl="cpu"),
    "squeeze_axes": lambda x: squeeze_axes(x, impl="cpu"),
    "apply_gate": lambda x: apply_gate(x, x.new_ones(1, 8, 1, 1), impl="cpu"),
    "convolve_planes": lambda x: convolve_planes(x[:, :2].contiguous(), x.new_ones(1, 2, 3, 3), impl="cpu"),
    "select_branches": lambda x: select_branches((x, x), x.new_ones(1, 2, 8, 1, 1), impl="cpu"),
}
_GIGABYTE = 1e9
_LITTLE_DISK = 2 * _GIGABYTE
_LITTLE_SHARED = 0.5 * _GIGABYTE


@dataclass(frozen=True)
class Health:
    """The state of the installation.

    Attributes:
        findings: versions, devices and resources, by name.
        advice: one sentence for each problem and its remedy; empty if there is none.
    """

    findings: dict[str, str]
    advice: tuple[str, ...]

    def __rich__(self) -> RenderableType:
        """Returns a table of the findings, then the advice."""
        table = Table.grid(padding=(0, 3))
        for name, text in self.findings.items():
            table.add_row(Text(name, style="bold"), Text(text))
        last = Text("\n" + ("\n".join(self.advice) if self.advice else "No problems found."))
        return Group(table, last)


def examine() -> Health:
    """Reports versions, device, threads, memory and disk, and problems to fix.

    Returns:
        The findings and advice.
    """
    findings = {
        "regard": __version__,
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "torchvision": _version("torchvision"),
        "lightning": _version("lightning"),
        "device": _device(),
        "threads": f"{torch.get_num_threads()} of {_cores()} cores",
        "memory": _memory(),
        "allocator": _allocator(),
        "shared memory": _shared_memory(),
        "free disk": f"{shutil.disk_usage(Path.cwd()).free / _GIGABYTE:.1f} GB in this folder",
        "kernels": _kernels(),
    }
    findings |= {f"extra {extra}": _extra(names) for extra, names in _EXTRAS.items()}
    return Health(findings, tuple(advice for check in _CHECKS if (advice := check())))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device() -> str:
    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    if torch.backends.mps.is_available():
        return "mps: Apple's GPU"
    return "cpu: there is no GPU that this PyTorch can use"


def _cores() -> int:
    """Counts the cores that this process may use, in a container fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{total / _GIGABYTE:.1f} GB"


def _shared_memory() -> str:
    free = free_bytes()
    return "this system has none" if free is None else f"{free / _GIGABYTE:.2f} GB free in {SHARED}"


def _allocator() -> str:
    """Returns the name of the allocator, and what the commands do with freed memory."""
    kept = "; regard train, compare and bench keep freed memory for reuse" if obstacle() is None else ""
    return describe_allocator().removesuffix(", as it is") + kept


def _kernels() -> str:
    if operators.LEVEL is None:
        return f"plain PyTorch; those in C++ are missing: {operators.WHY_NOT}"
    served = [name for name, call in _PRIMITIVES.items() if _is_served(call)]
    others = [name for name in _PRIMITIVES if name not in served]
    said = f"C++ ({operators.LEVEL}) for {', '.join(served)}"
    return f"{said}; plain PyTorch for {', '.join(others)}" if others else said


def _is_served(call: Callable[[torch.Tensor], object]) -> bool:
    try:
        call(torch.ones(1, 8, 4, 4))
    except OptionError:
        return False
    return True


def _extra(names: tuple[str, ...]) -> str:
    missing = [name for name in names if find_spec(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ", ".join(f"{n} {_version(n)}" for n in names)


def _check_torchvision() -> str | None:
    """Checks torchvision: one built for another torch fails only when it is imported."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, AttributeError) as error:
        return (
            f"torchvision {_version('torchvision')} does not work with torch {torch.__version__} "
            f"({type(error).__name__}): install both together, pip install --upgrade torch torchvision."
        )
    return None


def _check_threads() -> str | None:
    if torch.get_num_threads() > _cores():
        return (
            f"PyTorch uses {torch.get_num_threads()} threads on {_cores()} cores, which slows it down: "
            f"give --threads {_cores()} or set OMP_NUM_THREADS={_cores()}."
        )
    return None


def _check_disk() -> str | None:
    free = shutil.disk_usage(Path.cwd()).free
    if free < _LITTLE_DISK:
        return (
            f"Only {free / _GIGABYTE:.1f} GB are free here: a run's checkpoints may not fit; free some space or use "
            "--out."
        )
    return None


def _check_gpu() -> str | None:
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        return (
            f"There is an NVIDIA driver, but torch {torch.__version__} cannot use it: "
            "install a torch built for its CUDA version, see https://pytorch.org/get-started."
        )
    return None


def _check_shared_memory() -> str | None:
    free = free_bytes()
    if free is not None and free < _LITTLE_SHARED:
        return (
            f"Only {free / 1e6:.0f} MB are free in {SHARED}, through which processes that read images pass their "
            "batches: start the container with --shm-size=2g; otherwise large batches are read in one process."
        )
    return None


def _check_kernels() -> str | None:
    """Checks the kernels in C++, where they can be had."""
    if not sys.platform.startswith("linux"):
        return None
    folder = Path(operators.__file__).parent
    remedy = "pip install --no-build-isolation --no-deps --force-reinstall --no-cache-dir regard (in a clone: -e .)."
    if operators.LEVEL is None:
        return (
            f"The kernels in C++ are missing: {operators.WHY_NOT}. Results are the same, but gates take 2 to 4 times "
            f"longer on a CPU. With g++ and torch installed: {remedy}"
        )
    built = max(path.stat().st_mtime for path in folder.glob("_cpu*.so"))
    if any(path.stat().st_mtime > built for path in folder.glob("cpp/*")):
        return f"The kernels in C++ are older than their sources: {remedy}"
    return None


def _check_allocator() -> str | None:
    """Checks settings of the user that leave out those for which regard would have set the allocator."""
    found = set_by_user()
    if not found or loaded_allocator() or any(name in found for name in SETTINGS):
        return None
    return (
        f"{', '.join(found)} sets the allocator, so regard leaves it alone, and training on a CPU waits for memory "
        f"that the kernel clears: also set {' '.join(f'{name}={value}' for name, value in SETTINGS.items())}."
    )


_CHECKS: tuple[Callable[[], str | None], ...] = (
    _check_torchvision,
    _check_threads,
    _check_allocator,
    _check_disk,
    _check_shared_memory,
    _check_gpu,
    _check_kernels,
)
