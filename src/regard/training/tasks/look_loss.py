"""The parts of a loss that depend on where a decoder looked: coverage of the positions, and the policy gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.core.errors import OptionError
from regard.core.look_record import LookRecord
from regard.core.options import not_negative


@dataclass(frozen=True)
class LookLoss:
    """The weights of those parts; all per symbol, like the cross-entropy.

    Xu et al.: Show, Attend and Tell, ICML 2015: `coverage` is the lambda of equation 14, whose sum over positions of
    (1 - sum over steps of the weights)^2 makes a network look everywhere once. The choices of a hard mechanism are
    trained by equation 12. Its reward is the log-likelihood of the text; a choice gets that of the symbols from its
    step on, which is as unbiased and varies less, and the baseline is the mean over the other examples of the batch at
    that step, where the paper keeps a moving average.

    Attributes:
        coverage: weight of the coverage of positions.
        policy: weight of the policy gradient.
        entropy: weight of the entropy of the choices, which the loss keeps large.
    """

    coverage: float = 0.0
    policy: float = 1.0
    entropy: float = 0.0

    names = ("coverage", "reinforce", "choice_entropy")
    """The parts, for the logs."""

    def __post_init__(self) -> None:
        for name in ("coverage", "policy", "entropy"):
            not_negative("sequences", name, getattr(self, name))

    def parts(self, record: LookRecord, losses: Tensor, there: Tensor) -> dict[str, Tensor]:
        """The parts, scalars by name, unweighted.

        Args:
            record: the looks of a pass.
            losses: (b, t) the cross-entropy of each symbol, 0 where padded.
            there: (b, t) bool, True where there is a symbol.

        Raises:
            OptionError: coverage is asked of a mechanism that returns no weights of positions.
        """
        zero, symbols = losses.new_zeros(()), there.sum()
        parts = dict.fromkeys(self.names, zero)
        if record.weights:
            seen = (torch.stack(record.weights, 1) * there.unsqueeze(2)).sum(1)
            parts["coverage"] = (1 - seen).square().sum() / symbols
        elif self.coverage:
            raise OptionError(
                f"recipe: coverage={self.coverage} is not allowed with this network, because it has no soft weights "
                "of positions: leave it out, or take attention such as additive."
            )
        chosen = [sample.log_prob for sample in record.samples if sample.log_prob is not None]
        if chosen:
            gained = advantages(-losses.detach(), there)
            parts["reinforce"] = -(torch.stack(chosen, 1) * gained).sum() / symbols
        entropies = [sample.entropy for sample in record.samples if sample.entropy is not None]
        if entropies:
            parts["choice_entropy"] = (torch.stack(entropies, 1) * there).sum() / symbols
        return parts

    def total(self, parts: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the parts."""
        return (
            self.coverage * parts["coverage"]
            + self.policy * parts["reinforce"]
            - self.entropy * parts["choice_entropy"]
        )


def advantages(rewards: Tensor, there: Tensor) -> Tensor:
    """The gain of each choice (b, t): the rewards from its step on, less the mean of the others at that step.

    >>> advantages(torch.tensor([[-1.0, -2.0], [-3.0, 0.0]]), torch.tensor([[True, True], [True, False]])).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    rewards = torch.where(there, rewards, 0)
    ahead = rewards.flip(1).cumsum(1).flip(1)
    others = there.sum(0) - 1
    mean = (torch.where(there, ahead, 0).sum(0) - ahead) / others.clamp_min(1)
    return torch.where(there & (others > 0), ahead - mean, 0)
