"""What training, evaluation and ablation ask of a task, and nothing more."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import Tensor, nn

from regard.core.batch import Batch
from regard.core.devices import device_of
from regard.core.draws import Draws
from regard.core.errors import OptionError
from regard.core.scores import Scores

Given = TypeVar("Given", bound=Batch, contravariant=True)
Said = TypeVar("Said")


class LossParts(NamedTuple):
    """The loss of a batch.

    Attributes:
        total: what is minimised, a scalar with its graph.
        parts: what it is made of, scalars by name, to be logged; the names are the task's `part_names`.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = {}


class Task(Protocol[Given, Said]):
    """A kind of problem: its loss, its answers and how good these are. It keeps no state between calls."""

    @property
    def part_names(self) -> tuple[str, ...]:
        """The names of the parts of its loss; empty where it has none."""

    def loss(self, net: nn.Module, batch: Given, draws: Draws) -> LossParts:
        """The loss of a batch in training; the batch lies where the network does.

        Args:
            net: in training mode.
            batch: as the training loader gives it.
            draws: chance that depends on the seed, the examples and the epoch only; many tasks need none.
        """

    def predict(self, net: nn.Module, batch: Given) -> Said:
        """What the network says of a batch, on the CPU and small: all answers of a split are kept at once.

        Called without gradients, `net` in evaluation mode, the batch where the network lies.
        """

    def right(self, outputs: Said, batch: Given) -> Tensor | None:
        """(b,) bool: which answers are right; None where the task knows no right and wrong."""

    def score(self, outputs: Sequence[Said], batches: Sequence[Given]) -> Scores:
        """The scores of the answers to all batches of a split; the batches come without their inputs."""

    def to_json(self) -> dict[str, Any]:
        """`name`, `options` and `classes`, as the record of a run keeps them."""


def judged_by(task: Task[Any, Any]) -> Callable[[nn.Module, Any], Tensor]:
    """How right a network's answers to a batch are, 1 or 0 for each example, as an ablation asks it.

    Raises:
        OptionError: when it is asked, where the task knows no right and wrong.
    """

    def judge(net: nn.Module, batch: Any) -> Tensor:
        right = task.right(task.predict(net, batch.to(device_of(net))), batch)
        if right is None:
            raise OptionError(
                f"The task {task.to_json()['name']!r} knows no right and wrong answers, so nothing can be ablated: an "
                "ablation counts the answers that become wrong with other maps."
            )
        return right.cpu().double()

    return judge
