"""A classifier that looks at one position of its last features, or a few, instead of their mean."""

import torch
from torch import Tensor

from regard import attention
from regard.attention.policies import rollout_draws
from regard.core.draws import Draws
from regard.core.errors import OptionError
from regard.core.hard import Hard, Looker
from regard.core.options import at_least
from regard.core.precision import widen
from regard.core.returns import Answer, Sample
from regard.core.spec import Spec
from regard.models.resnet import ResNet

MOMENTUM = 0.1
"""The weight of the newest mean reward in the expected one, as in Show, Attend and Tell."""


class HardHead(Looker):
    """A residual network with a mechanism that samples instead of its pooling.

    Args:
        net: its features and its classifier are used.
        mechanism: one that returns a sample, such as `hard_spatial:form=soft`, the deterministic twin.

    Raises:
        OptionError: a mechanism that returns no sample.

    Example:
        >>> from regard import models
        >>> net = models.create("hard_spatial_resnet8", num_classes=10, in_channels=1)
        >>> net(torch.randn(2, 1, 28, 28)).logits.shape
        torch.Size([2, 10])
    """

    expected: Tensor

    def __init__(self, net: ResNet, mechanism: Spec) -> None:
        super().__init__()
        self.name, self.net = net.name, net
        self.num_classes, self.in_channels = net.num_classes, net.in_channels
        self.fc = net.fc
        del net.fc
        head = attention.create(mechanism, channels=self.fc.in_features)
        if not isinstance(head, Hard):
            raise OptionError(
                f"hard head: {mechanism} returns {head.facts.returns}; it must return a sample, as hard_spatial does."
            )
        self.head = head
        self.register_buffer("expected", torch.zeros(()))

    def forward(self, images: Tensor, draws: Draws | None = None, rollouts: int = 1) -> Answer:
        """The answer to images (b, c, h, w), see `Looker`; features are computed once for all rollouts."""
        features = self.net.features(images)
        count = at_least("hard head", "rollouts", rollouts, 1)
        drawn = [self.head(features, one) for one in ([None] * count if draws is None else rollout_draws(draws, count))]
        sample = _interleave(drawn)
        logits = widen(self.fc(sample.value.to(self.fc.weight.dtype)))
        if sample.log_prob is None:
            return Answer(logits, (sample,))
        return Answer(logits, (sample,), self.expected.expand(logits.shape[0], 1).clone())

    @torch.no_grad()
    def rewarded(self, reward: Tensor) -> None:
        """Moves the expected reward towards the mean of these."""
        self.expected.lerp_(reward.mean().to(self.expected.dtype), MOMENTUM)


def _interleave(drawn: list[Sample]) -> Sample:
    """One sample of all rollouts, those of one image following one another."""
    if len(drawn) == 1:
        return drawn[0]
    values, log_probs, entropies, scores = (
        None if parts[0] is None else torch.stack(parts, 1).flatten(0, 1) for parts in zip(*drawn, strict=True)
    )
    assert values is not None
    return Sample(values, log_probs, entropies, scores)
