"""The interface of a task for training, evaluation and ablation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import Tensor, nn

from regard.core.batch import Batch
from regard.core.devices import device_of
from regard.core.draws import Draws
from regard.core.errors import OptionError
from regard.core.scores import Scores

BatchT = TypeVar("BatchT", bound=Batch, contravariant=True)
OutputT = TypeVar("OutputT")


class LossParts(NamedTuple):
    """The loss of a batch.

    Attributes:
        total: the loss to minimise, a scalar with its graph.
        parts: its terms, scalars by name, for the logs; the names are the task's `part_names`.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = {}


class Task(Protocol[BatchT, OutputT]):
    """A task: its loss, its outputs and their scores. It has no state between calls."""

    @property
    def part_names(self) -> tuple[str, ...]:
        """The names of the parts of its loss; empty if it has none."""

    def loss(self, net: nn.Module, batch: BatchT, draws: Draws) -> LossParts:
        """Returns the loss of a batch in training; the batch is on the network's device.

        Args:
            net: network in training mode.
            batch: batch of the training loader.
            draws: random numbers that depend on the seed, the examples and the epoch only; unused by many tasks.
        """

    def predict(self, net: nn.Module, batch: BatchT) -> OutputT:
        """Returns the network's outputs for a batch, on the CPU and small: those of a whole split are kept in memory.

        Called without gradients, with `net` in evaluation mode and the batch on its device.
        """

    def right(self, outputs: OutputT, batch: BatchT) -> Tensor | None:
        """Returns (b,) bool, True for correct outputs; None if the task does not define correctness."""

    def score(self, outputs: Sequence[OutputT], batches: Sequence[BatchT]) -> Scores:
        """Returns the scores of the outputs for all batches of a split; the batches have no inputs."""

    def to_json(self) -> dict[str, Any]:
        """Returns `name`, `options` and `classes` for the record of a run."""


def judged_by(task: Task[Any, Any]) -> Callable[[nn.Module, Any], Tensor]:
    """Returns a function that maps a network and a batch to 1 for each correct example, else 0, for ablations.

    Raises:
        OptionError: on its call, if the task does not define correctness.
    """

    def judge(net: nn.Module, batch: Any) -> Tensor:
        right = task.right(task.predict(net, batch.to(device_of(net))), batch)
        if right is None:
            raise OptionError(
                f"The task {task.to_json()['name']!r} does not define correct outputs, so it cannot be ablated: an "
                "ablation counts the outputs that become wrong with other maps."
            )
        return right.cpu().double()

    return judge
