"""Gates that open or close channels."""

from typing import ClassVar

import torch
from torch import Tensor, nn, relu, sigmoid
from torch.nn.functional import logsigmoid

from regard.attention.layers import bottleneck, over_positions
from regard.core.draws import Draws
from regard.core.errors import OptionError, ShapeError
from regard.core.facts import Facts, Paper
from regard.core.features import Start
from regard.core.hard import HardFeatures
from regard.core.options import not_negative, positive
from regard.core.returns import Sample
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions

OPEN = 3.0
"""The bias of the logits at first: most gates are open, so that the layers behind them learn."""


class HardChannel(HardFeatures):
    """Opens or closes each channel, decided from the means of all channels.

    l = W2 relu(W1 mean(x) + b1) + b2; gate = 1 where l + noise > 0, else 0; y = gate x
    The gradient is that of sigmoid((l + noise) / t) (straight-through); the noise is logistic while it learns, and
    none in evaluation. Where more than the budget is open, training pays `price` (mean sigmoid(l) - budget)^2.

    Bejnordi, Blankevoort, Welling: Batch-Shaping for Learning Conditional Channel Gated Networks, ICLR 2020, section 3.
    Inside blocks it draws by `regard.core.drawing`; at the head of a network, `sample` gives the choice with its
    log-probability, for a policy gradient.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(1, c // r) units.
        temperature: t.
        budget: the share of gates that may be open at no cost.
        price: weight in the loss of the open share beyond the budget.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same. The map is (b, c, 1, ...).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes, or draws for other images.

    Example:
        >>> HardChannel(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
    """

    facts: ClassVar[Facts] = Facts(
        name="hard_channel",
        family="channel",
        kind="hard",
        act="select",
        paper=Paper(
            title="Batch-Shaping for Learning Conditional Channel Gated Networks",
            authors="Babak Ehteshami Bejnordi and Tijmen Blankevoort and Max Welling",
            year=2020,
            venue="ICLR",
            identifier="arXiv:1907.06627",
        ),
        departures=(
            "The paper shapes the distribution of each gate over a batch and adds an L0 loss; ours has a budget.",
            "There is no batch normalisation between the two layers, so that images do not see one another.",
            "Closed channels are multiplied by zero: nothing is computed less.",
        ),
        parameters="2*c*h + h + c where h = max(1, c // reduction)",
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 4,
        temperature: float = 2 / 3,
        budget: float = 0.5,
        price: float = 1.0,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= 1:
            raise OptionError(f"hard_channel: budget={budget!r} is not allowed; it must be a share above 0, up to 1.")
        self.temperature, self.budget = positive("hard_channel", "temperature", temperature), budget
        self.price = not_negative("hard_channel", "price", price)
        self.reduce, self.expand = bottleneck("hard_channel", channels, reduction, True)
        self.gate = Tap("gate")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """PyTorch's start, with most gates open; with half of them where a `strength` waits for a closed one."""
        self.reduce.reset_parameters()
        self.expand.reset_parameters()
        nn.init.constant_(self.expand.bias, OPEN if self.strength is None else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """x with channels closed."""
        logits = self._logits(x)
        noise = torch.zeros_like(logits)
        if self.training and self.chance is not None:
            noise = self._noise(logits, self.chance.draws)
            excess = (sigmoid(logits).mean() - self.budget).clamp_min(0)
            self.chance.prices.append(self.price * excess.square())
        soft = sigmoid((logits + noise) / self.temperature)
        opened = (logits + noise > 0).to(logits.dtype)
        return self._close(x, torch.where(logits.isnan(), logits, opened + (soft - soft.detach())))

    def sample(self, x: Tensor, draws: Draws | None = None) -> Sample:
        """The same choice for the head of a network: y, and the log-probability (b,) of its gates.

        Args:
            x: features.
            draws: chance for each image; the likelier of open and closed without.
        """
        logits = self._logits(x)
        noise = torch.zeros_like(logits) if draws is None else self._noise(logits, draws)
        opened = (logits + noise > 0).to(logits.dtype)
        log_open, log_closed = logsigmoid(logits), logsigmoid(-logits)
        log_prob = None if draws is None else torch.where(opened > 0, log_open, log_closed).sum(1)
        entropy = -(log_open.exp() * log_open + log_closed.exp() * log_closed).sum(1)
        score = None if draws is None else (opened - sigmoid(logits)).detach()
        return Sample(self._close(x, opened), log_prob, entropy, score)

    def _logits(self, x: Tensor) -> Tensor:
        self.expect(x)
        (mean,) = squeeze_positions(x, "mean")
        return self.expand.logits(relu(self.reduce(mean)))

    def _noise(self, logits: Tensor, draws: Draws) -> Tensor:
        if len(draws.indices) != len(logits):
            raise ShapeError(
                f"hard_channel: there are draws for {len(draws.indices)} images and features of {len(logits)}; inside "
                "a network that cuts images into patches it cannot draw: take another mechanism there."
            )
        return draws.logistic(self.channels).to(logits.dtype)

    def _close(self, x: Tensor, gate: Tensor) -> Tensor:
        return apply_gate(x, self.gate(self.temper(over_positions(gate, x))))
