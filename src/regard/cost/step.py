"""One training step of a copy of a network, and the checks of its example."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.core.errors import ShapeError
from regard.core.returns import logits_of


class TrainingStep:
    """Forward, cross-entropy with the first class, backward, and a step of SGD with momentum; on a copy of `net`.

    Args:
        net: any network that gives logits (b, k), or an `Answer` with greedy choices; it is copied and never changed.
        example: images (b, c, h, w) on the network's device.
    """

    def __init__(self, net: nn.Module, example: Tensor) -> None:
        expect_example(net, example)
        self.net = copy.deepcopy(net).train()
        self.example = example
        self.labels = torch.zeros(example.shape[0], dtype=torch.int64, device=example.device)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1e-3, momentum=0.9)

    def __call__(self) -> None:
        """Takes one step."""
        self.optimizer.zero_grad()
        functional.cross_entropy(self._logits(), self.labels).backward()
        self.optimizer.step()

    def _logits(self) -> Tensor:
        logits = logits_of(self.net(self.example))
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ShapeError(
                f"{type(self.net).__name__}: a training step needs logits (b, k), and the network gave {given}: wrap "
                "it in a module that returns its logits."
            )
        return logits


def expect_example(net: nn.Module, example: Tensor) -> None:
    """Raises a `ShapeError` unless `example` holds images and lies where the network lies."""
    if not isinstance(example, Tensor) or example.ndim < 2 or example.shape[0] == 0:
        given = tuple(example.shape) if isinstance(example, Tensor) else type(example).__name__
        raise ShapeError(
            f"The example is {given}; it must be a tensor of images (b, c, h, w) with b of at least 1, for example "
            "torch.randn(1, 3, 224, 224)."
        )
    device = next((parameter.device for parameter in net.parameters()), example.device)
    if device != example.device:
        raise ShapeError(
            f"The example is on {example.device} and the network on {device}: move one of them, for example with "
            f"example.to({str(device)!r})."
        )
