"""Times measured in turns, so that a busy machine is busy for all that are compared."""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from regard.core.allocator import page_faults
from regard.core.errors import OptionError
from regard.core.options import at_least, one_of
from regard.cost.step import TrainingStep, expect_example

What = Literal["inference", "training"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The measurements of one network or function by `time_in_turns` or `time_functions`.

    Attributes:
        name: as given.
        what: `inference` (a forward pass) or `training` (of a network a whole step, of a module forward and backward).
        images: number of images in a pass.
        rounds: number of rounds.
        seconds: of a pass, the median over rounds.
        low: the lower quartile of these seconds.
        high: the upper quartile.
        ratio: to the first one, the median of each round's own ratio; 1 for the first.
        ratio_low: the lower quartile of these ratios.
        ratio_high: the upper quartile.
        page_faults: of a pass, in the mean; None where the system does not count them.
    """

    name: str
    what: What
    images: int
    rounds: int
    seconds: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    page_faults: float | None = None

    @property
    def images_per_second(self) -> float:
        """Images in a second, at the median."""
        return self.images / self.seconds


def time_in_turns(
    networks: Mapping[str, nn.Module],
    example: Tensor,
    *,
    what: What = "inference",
    rounds: int = 11,
    min_seconds: float = 0.05,
) -> dict[str, Timing]:
    """Measures networks against the first of them, one after the other in every round.

    Whatever else the machine does slows all networks of a round alike, so a round's ratios are more trustworthy than
    its seconds. Every second round goes backwards, so that none always runs after the same other one.

    Args:
        networks: by name; each is copied, never changed. The others are compared with the first.
        example: images (b, c, h, w) on the networks' device, in the memory format that is to be measured.
        what: `inference` is a forward pass without gradients in evaluation mode; `training` is forward, cross-entropy,
            backward and a step of SGD with momentum.
        rounds: number of rounds.
        min_seconds: a network's turn is repeated until it should last at least this long.

    Returns:
        A `Timing` for each network, in the order given.

    Raises:
        OptionError: no network, or an option out of its range.
        ShapeError: an empty example, one on another device, or in training outputs that are no logits.

    Example:
        >>> timings = time_in_turns({"plain": nn.Linear(8, 4)}, torch.zeros(2, 8), rounds=3, min_seconds=0.001)
        >>> timings["plain"].ratio
        1.0
    """
    one_of("time_in_turns", "what", what, ("inference", "training"))
    _check("time_in_turns", "networks", len(networks), rounds, min_seconds)
    passes = {name: _pass(net, example, what) for name, net in networks.items()}
    return time_functions(
        passes, what=what, images=example.shape[0], device=example.device, rounds=rounds, min_seconds=min_seconds
    )


def time_functions(
    functions: Mapping[str, Callable[[], object]],
    *,
    what: What,
    images: int,
    device: torch.device,
    rounds: int = 11,
    min_seconds: float = 0.05,
) -> dict[str, Timing]:
    """Measures functions against the first of them, as `time_in_turns` measures networks.

    Args:
        functions: by name; each does one pass on the device.
        what: the kind of pass, for the record.
        images: number of images in a pass.
        device: the device, for which the clock waits.
        rounds: number of rounds.
        min_seconds: a function's turn is repeated until it should last at least this long.

    Returns:
        A `Timing` for each function, in the order given.

    Raises:
        OptionError: no function, or an option out of its range.

    Example:
        >>> x, y = torch.zeros(8), torch.zeros(8)
        >>> work = {"copy": lambda: y.copy_(x), "sum": lambda: x.sum()}
        >>> list(time_functions(work, what="inference", images=1, device=x.device, rounds=3, min_seconds=0))
        ['copy', 'sum']
    """
    _check("time_functions", "functions", len(functions), rounds, min_seconds)
    repeats = {name: _repeats(run, device, min_seconds) for name, run in functions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    faults = dict.fromkeys(functions, 0)
    order = tuple(functions)
    for turn in range(rounds):
        for name in reversed(order) if turn % 2 else order:
            before = page_faults() or 0
            seconds[name].append(_seconds(functions[name], device, repeats[name]) / repeats[name])
            faults[name] += (page_faults() or 0) - before
    reference = seconds[next(iter(functions))]
    counted = page_faults() is not None
    return {
        name: _timing(name, what, images, own, reference, faults[name] / rounds / repeats[name] if counted else None)
        for name, own in seconds.items()
    }


def _check(owner: str, things: str, count: int, rounds: int, min_seconds: float) -> None:
    at_least(owner, "rounds", rounds, 1)
    if not count or not 0 <= min_seconds < math.inf:
        raise OptionError(
            f"{owner}: {count} {things} and min_seconds={min_seconds!r} are not allowed; give at least one and a time "
            "of 0 seconds or more."
        )


def _pass(net: nn.Module, example: Tensor, what: What) -> Callable[[], object]:
    """The function that is repeated, on a copy of the network."""
    if what == "training":
        return TrainingStep(net, example)
    expect_example(net, example)
    measured = copy.deepcopy(net).eval()

    def infer() -> None:
        with torch.inference_mode():
            measured(example)

    return infer


def _repeats(run: Callable[[], object], device: torch.device, min_seconds: float) -> int:
    """The number of runs that last `min_seconds`, after a first run that warms up."""
    _seconds(run, device, 1)
    return max(1, math.ceil(min_seconds / max(_seconds(run, device, 1), 1e-6)))


def _seconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    """Waits until an accelerator has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _timing(
    name: str, what: What, images: int, seconds: list[float], reference: list[float], faults: float | None = None
) -> Timing:
    low, median, high = _quartiles(seconds)
    ratio_low, ratio, ratio_high = _quartiles([own / other for own, other in zip(seconds, reference, strict=True)])
    return Timing(
        name=name,
        what=what,
        images=images,
        rounds=len(seconds),
        seconds=median,
        low=low,
        high=high,
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        page_faults=faults,
    )


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    low, median, high = torch.tensor(values, dtype=torch.float64).quantile(
        torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    )
    return low.item(), median.item(), high.item()
