"""The result of a training run, as it is printed and as it is saved in the run's folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from regard.core.scores import Scores
from regard.recipes.run_folder import WEIGHTS
from regard.report.numerals import plural


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The result of a training run.

    Attributes:
        path: folder of the run.
        network: name of the network with its attention.
        epochs: number of epochs trained.
        kept_epoch: epoch whose weights are in `weights.safetensors`.
        seconds: duration of all epochs.
        images: number of validation images, or texts.
        scores: scores of the network on them.
        unit: what an example is, `image` or `text`.
    """

    path: Path
    network: str
    epochs: int
    kept_epoch: int
    seconds: float
    images: int
    scores: Scores
    unit: str = "image"

    def to_json(self) -> dict[str, Any]:
        """Returns the record with JSON types."""
        return asdict(self) | {"path": str(self.path), "scores": self.scores.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], path: Path) -> Self:
        """Returns the record that `to_json` wrote; the folder may have been moved to `path` since."""
        return cls(**{**record, "path": path, "scores": Scores.from_json(record["scores"])})

    def __str__(self) -> str:
        kept = "" if self.kept_epoch == self.epochs else f", epoch {self.kept_epoch} kept"
        return (
            f"{self.network}, {plural(self.epochs, 'epoch')} in {_duration(self.seconds)}{kept}\n"
            f"{self.images:,} validation {self.unit}s: {self.scores}\n"
            f"weights: {self.path / WEIGHTS}\n"
            f"next: regard evaluate {self.path}   or   regard predict {self.unit.upper()}S --run {self.path}"
        )


def _duration(seconds: float) -> str:
    """Formats a duration.

    >>> _duration(7.31), _duration(3725)
    ('7.3 s', '1 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
