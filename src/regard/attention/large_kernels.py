"""The common parts of mechanisms with large kernels: the decomposed kernel, its initialisation and the gate."""

import math
from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import Rescaling, convolution
from regard.core.errors import OptionError
from regard.core.features import Start
from regard.core.options import at_least
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import apply_gate


def decompose(owner: str, kernel_size: int, dilation: int, *, rounded_up: bool) -> tuple[int, int]:
    """The kernels that together see as far as one of `kernel_size`: a dense one, and one of that dilation.

    Their sizes are 2 dilation - 1 and kernel_size / dilation, rounded up or down as the paper does.

    Raises:
        OptionError: the second size is even, so that the output would not keep the size.

    Example:
        >>> decompose("lka", 21, 3, rounded_up=True)
        (5, 7)
    """
    at_least(owner, "kernel_size", kernel_size, 1)
    at_least(owner, "dilation", dilation, 1)
    spread = math.ceil(kernel_size / dilation) if rounded_up else max(1, kernel_size // dilation)
    if spread % 2 == 0:
        raise OptionError(
            f"{owner}: kernel_size={kernel_size} is not allowed with dilation={dilation}: the dilated kernel would "
            f"have {spread} taps, and an even one does not keep the size (try kernel_size={(spread + 1) * dilation} "
            f"or {(spread - 1) * dilation})."
        )
    return 2 * dilation - 1, spread


class Projections(nn.Module):
    """The two 1x1 convolutions around a gate of the visual attention network: leave(gate(gelu(enter(x))))."""

    def __init__(self, owner: str, dims: int, channels: int) -> None:
        super().__init__()
        self.enter = convolution(owner, dims)(channels, channels, 1)
        self.leave = convolution(owner, dims)(channels, channels, 1)

    def forward(self, x: Tensor, gate: Callable[[Tensor], Tensor]) -> Tensor:
        """The sum that is added to x; `gate` applies the gate."""
        return self.leave(gate(gelu(self.enter(x))))


class LargeKernelGate(Rescaling):
    """The base of those that rescale every value by a score without a sigmoid, alone or between two projections.

    A subclass registers its layers, then calls `surround`, and defines the score.

    Args:
        channels: c.
        dims: position axes of x.
        start: see `Features`; between projections what is added to x is held back.
    """

    def __init__(self, channels: int, *, dims: int, start: Start) -> None:
        super().__init__(channels, start=start)
        self.dims = dims

    def surround(self, projections: bool) -> None:
        """Registers the tap and, where they are asked for, the projections; then everything gets its start."""
        name = self.facts.name
        self.gate = Tap("mixed", low=-math.inf, high=math.inf)
        self.projections = None
        if projections:
            self.projections = Projections(name, self.dims, self.channels)
            self.amend(bare=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The start of VAN: He's normal initialisation of convolutions by the fan out of one group; zero biases."""
        for layer in self.modules():
            if isinstance(layer, _ConvNd):
                fan_out = layer.out_channels // layer.groups * math.prod(layer.kernel_size)
                nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x with every value rescaled."""
        self.expect(x, (self.dims,))
        if self.projections is None:
            return self.rescale(x, self.gate, widen(self.score(x)))
        h = self.projections(x, lambda inner: apply_gate(inner, self.gate(widen(self.score(inner)))))
        return self.add(x, h)

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """The score of each value, of the shape of x."""
