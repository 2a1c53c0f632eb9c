"""The record of one epoch of a training run, for its history, its logs and a report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from regard.core.scores import Scores


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of a run's history.

    Attributes:
        epoch: from 1.
        step: optimizer steps since the run began.
        lr: learning rate of the epoch's last step.
        train_loss: mean training loss, of the inputs as they were augmented and mixed.
        val: scores on the validation split, None without validation.
        seconds: training and validation together.
        parts: means of the named parts of the training loss; empty where it has none.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    val: Scores | None
    seconds: float
    parts: dict[str, float] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Everything under the names of flat columns: a part with the prefix `train_`, a score with `val_`."""
        parts = {f"train_{name}": value for name, value in self.parts.items()}
        scores = {f"val_{name}": value for name, value in (self.val.values() if self.val else {}).items()}
        own = {"epoch": self.epoch, "step": self.step, "lr": self.lr, "train_loss": self.train_loss}
        return own | parts | scores | {"seconds": self.seconds}

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The epoch that `to_json` wrote."""
        val = record["val"]
        return cls(**{**record, "val": None if val is None else Scores.from_json(val)})
