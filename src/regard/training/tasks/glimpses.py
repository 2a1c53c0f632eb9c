"""The task of classifying images with a network that chooses where to look."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from regard.core.answers import is_right
from regard.core.batch import ImageBatch
from regard.core.draws import Draws
from regard.core.errors import OptionError, ShapeError
from regard.core.hard import drawing
from regard.core.options import at_least, not_negative
from regard.core.returns import Answer, Sample
from regard.core.scores import Scores
from regard.core.seeding import key
from regard.training.objectives import Objective, objective
from regard.training.recipe import Recipe
from regard.training.tasks.by_class import ByClass
from regard.training.tasks.classification import Classification
from regard.training.tasks.task import LossParts


class Glimpses:
    """Classification of images with one class each by a `Looker`.

    The loss is hybrid, after Mnih et al., Recurrent Models of Visual Attention, NIPS 2014, section 3.2: cross-entropy
    through everything that is differentiable; for the choices REINFORCE, whose reward is 1 for a right answer and 0
    for a wrong one; and the squared error of the reward that the network expected before each choice. After the
    last glimpse no position is chosen, so none is rewarded.

    Args:
        classes: k names.
        rollouts: passes over each image of a training batch, each with other samples.
        weight: weight of REINFORCE in the loss.
        entropy: weight of the entropy of the choices, which the loss keeps large.
        objective: the cross-entropy in training; without smoothing or class weights where it is left out.

    Raises:
        OptionError: an option out of its range.
    """

    name = "glimpses"
    part_names: tuple[str, ...] = (
        "cross_entropy",
        "reinforce",
        "reward",
        "baseline_error",
        "entropy",
        "gradient_variance",
    )

    def __init__(
        self,
        classes: Sequence[str],
        *,
        rollouts: int = 1,
        weight: float = 0.01,
        entropy: float = 0.0,
        objective: Objective | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.rollouts = at_least("glimpses", "rollouts", rollouts, 1)
        self.weight = not_negative("glimpses", "weight", weight)
        self.entropy = not_negative("glimpses", "entropy", entropy)
        self._objective = objective or Objective(len(self.classes), multi_label=False)
        self._classification = Classification(self.classes)

    @classmethod
    def trained_by(cls, recipe: Recipe, classes: Sequence[str], *, labels: Tensor | None = None) -> "Glimpses":
        """The task with the recipe's rollouts, weights, smoothing and class weights.

        Args:
            recipe: the training recipe.
            classes: k names.
            labels: of all training images; needed with `class_weights="balanced"`.

        Raises:
            OptionError: the recipe mixes images, whose labels no single reward fits.
        """
        for option in ("mixup", "cutmix"):
            if getattr(recipe, option):
                raise OptionError(
                    f"recipe: {option}={getattr(recipe, option)} is not allowed with a network that chooses where to "
                    f"look: a mixed image has no one right answer to reward. Leave {option} at 0."
                )
        return cls(
            classes,
            rollouts=recipe.rollouts,
            weight=recipe.policy_weight,
            entropy=recipe.policy_entropy,
            objective=objective(recipe, len(classes), multi_label=False, labels=labels),
        )

    def loss(self, net: nn.Module, batch: ImageBatch, draws: Draws) -> LossParts:
        """The hybrid loss of all rollouts of a batch, in one forward pass."""
        with drawing(net, draws) as prices:
            answer: Answer = net(batch.images, draws, self.rollouts)
        labels = batch.labels.repeat_interleave(self.rollouts, 0)
        cross_entropy = self._objective(answer.logits, labels)
        reward = is_right(answer.logits.detach(), labels).to(answer.logits.dtype)
        chosen = [sample for sample in answer.samples if sample.log_prob is not None]
        parts = _choice_parts(answer, chosen, reward)
        net.rewarded(reward)  # type: ignore[operator]
        total = cross_entropy + self.weight * parts["reinforce"] + parts["baseline_error"]
        total = total - self.entropy * parts["entropy"] + sum(prices)
        return LossParts(total, {"cross_entropy": cross_entropy, "reward": reward.mean(), **parts})

    def predict(self, net: nn.Module, batch: ImageBatch) -> Tensor:
        """Logits (b, k) in float32, of one greedy rollout.

        Raises:
            ShapeError: the network's logits are not (b, k).
        """
        # A network with random positions has them in evaluation too, the same ones each time.
        draws = Draws(key(self.name), batch.indices) if getattr(net, "random", False) else None
        answer = net(batch.images) if draws is None else net(batch.images, draws)
        if not isinstance(answer, Answer) or answer.logits.shape != (len(batch), len(self.classes)):
            given = tuple(answer.logits.shape) if isinstance(answer, Answer) else type(answer).__name__
            raise ShapeError(
                f"{type(net).__name__} returned {given} for {len(batch)} images; a network that chooses where to look "
                f"must return an Answer with one row of scores for each, ({len(batch)}, {len(self.classes)})."
            )
        return answer.logits.float().cpu()

    def right(self, outputs: Tensor, batch: ImageBatch) -> Tensor:
        """(b,) True where an answer is right."""
        return self._classification.right(outputs, batch)

    def score(self, outputs: Sequence[Tensor], batches: Sequence[ImageBatch]) -> Scores:
        """The scores of a classifier."""
        return self._classification.score(outputs, batches)

    def by_class(self, outputs: Sequence[Tensor], batches: Sequence[ImageBatch]) -> ByClass:
        """The scores of each class, from the answers to all batches of a split."""
        return self._classification.by_class(outputs, batches)

    def to_json(self) -> dict[str, Any]:
        """The task's record."""
        return {"name": self.name, "options": {}, "classes": list(self.classes)}


def _choice_parts(answer: Answer, chosen: Sequence[Sample], reward: Tensor) -> dict[str, Tensor]:
    """The parts of the loss that depend on choices; 0 where none was sampled."""
    if not chosen:
        none = reward.new_zeros(())
        return {name: none for name in ("reinforce", "baseline_error", "entropy", "gradient_variance")}
    log_prob = torch.stack([sample.log_prob for sample in chosen if sample.log_prob is not None], 1)
    expected = torch.zeros_like(log_prob) if answer.baseline is None else answer.baseline.to(log_prob.dtype)
    advantage = reward[:, None] - expected.detach()
    entropies = [sample.entropy for sample in chosen if sample.entropy is not None]
    return {
        "reinforce": -(log_prob * advantage).sum(1).mean(),
        "baseline_error": mse_loss(expected, reward[:, None].expand_as(expected)),
        "entropy": torch.stack(entropies, 1).mean() if entropies else reward.new_zeros(()),
        "gradient_variance": _variance(chosen, advantage),
    }


@torch.no_grad()
def _variance(chosen: Sequence[Sample], advantage: Tensor) -> Tensor:
    """The variance over rollouts of the estimated gradient by the parameters of each policy, summed over these."""
    scores = torch.stack([sample.score for sample in chosen if sample.score is not None], 1)
    estimates = (scores * advantage.unsqueeze(2)).flatten(1)
    return estimates.var(0, unbiased=False).sum()
