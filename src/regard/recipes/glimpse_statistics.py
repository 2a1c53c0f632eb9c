"""Statistics of the glimpses of a network over a set of images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from regard.core.records import Maps
from regard.core.returns import Answer
from regard.explanation import observe
from regard.recipes.glimpse_paths import find_sensor


@dataclass(frozen=True)
class GlimpseRow:
    """One glimpse over all images that it was taken of.

    Attributes:
        images: how many; fewer with each glimpse where a network stops as soon as it is sure.
        position: mean over the images, x before y, -1 and 1 the outer edges of the image.
        std: standard deviation of the position over the images.
        moved: mean distance from the glimpse before, in halves of the image's side; None of the first.
        accuracy: the share of all images whose class is right after so many glimpses at most.
    """

    images: int
    position: tuple[float, float]
    std: tuple[float, float]
    moved: float | None
    accuracy: float


@dataclass(frozen=True)
class GlimpseStatistics:
    """The positions of the glimpses of a network over a set of images, and its accuracy after each."""

    rows: tuple[GlimpseRow, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """A record for each glimpse."""
        return [asdict(row) for row in self.rows]

    def __rich__(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("glimpse", "images", "x", "y", "moved", "right after it"):
            table.add_column(column, justify="right")
        for number, row in enumerate(self.rows, 1):
            axes = (f"{mean:+.2f} ± {std:.2f}" for mean, std in zip(row.position, row.std, strict=True))
            moved = "" if row.moved is None else f"{row.moved:.2f}"
            table.add_row(*map(Text, (str(number), f"{row.images:,}", *axes, moved, f"{100 * row.accuracy:.1f} %")))
        return table


class GlimpseWatch:
    """The glimpses of every pass inside `watch_glimpses`."""

    def __init__(self, tap: str, maps: Maps) -> None:
        self._tap, self._maps = tap, maps
        self._answers: list[Answer] = []

    def keep(self, _net: nn.Module, _inputs: object, said: object) -> None:
        """Keeps what the network answered; a forward hook."""
        if isinstance(said, Answer) and said.looks is not None:
            used = None if said.used is None else said.used.cpu()
            self._answers.append(Answer(said.logits.cpu(), (), None, said.looks.cpu(), used))

    def statistics(self, labels: Sequence[Tensor]) -> GlimpseStatistics | None:
        """The statistics of all passes; None where the network gives no logits after each glimpse.

        Args:
            labels: (b,) of each pass.
        """
        if not self._answers or len(self._answers) != len(labels):
            return None
        most = max(answer.looks.shape[1] for answer in self._answers if answer.looks is not None)
        positions, taken, right = [], [], []
        for number, (answer, label) in enumerate(zip(self._answers, labels, strict=True)):
            assert answer.looks is not None
            steps = [seen.values[:, 0].double() for seen in self._maps[self._tap] if seen.pass_ == number]
            steps += [torch.zeros_like(steps[0])] * (most - len(steps))
            used = torch.full((len(label),), answer.looks.shape[1]) if answer.used is None else answer.used
            # After an image has stopped its answer stays.
            last = torch.minimum(torch.arange(most), used[:, None] - 1)
            said = answer.looks.argmax(2).gather(1, last)
            positions.append(torch.stack(steps, 1))
            taken.append(torch.arange(most) < used[:, None])
            right.append(said == label.cpu()[:, None])
        return GlimpseStatistics(_rows(torch.cat(positions), torch.cat(taken), torch.cat(right)))


def _rows(positions: Tensor, taken: Tensor, right: Tensor) -> tuple[GlimpseRow, ...]:
    """The rows from positions (n, t, 2), the glimpses that were taken (n, t) and right answers (n, t)."""
    rows = []
    for t in range(positions.shape[1]):
        seen = positions[taken[:, t]]
        at = seen[:, t]
        x, y = at.mean(0).tolist()
        std_x, std_y = at.std(0, unbiased=False).tolist()
        moved = float((at - seen[:, t - 1]).norm(dim=1).mean()) if t else None
        rows.append(GlimpseRow(len(at), (x, y), (std_x, std_y), moved, float(right[:, t].double().mean())))
    return tuple(rows)


@contextmanager
def watch_glimpses(net: nn.Module) -> Iterator[GlimpseWatch | None]:
    """Keeps the glimpses of every pass of `net` inside; None of a network without a glimpse sensor.

    Args:
        net: any network.
    """
    sensor = find_sensor(net)
    if sensor is None:
        yield None
        return
    with observe(net, paths=[sensor.tap], device="cpu") as maps:
        watch = GlimpseWatch(sensor.tap, maps)
        hook = net.register_forward_hook(watch.keep)
        try:
            yield watch
        finally:
            hook.remove()
