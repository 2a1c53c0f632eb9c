"""One pass of a copy of a module over features: forward, and in training backward."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from regard.core.options import one_of
from regard.cost.timing import What


class ModulePass:
    """A forward pass in evaluation, or a forward and a backward pass in training, of a copy of a module.

    The backward pass gives the gradients of the inputs and of all parameters and adds them to nothing, as in the middle
    of a network.

    Args:
        module: any module that returns one tensor; it is copied and never changed.
        inputs: the tensors it takes.
        what: `inference` or `training`.
        seed: of the gradient that enters the backward pass.
        compiled: True to compile the copy for these shapes.

    Example:
        >>> y, x_gradient, weight_gradient, _ = ModulePass(nn.Linear(3, 2), [torch.ones(4, 3)], what="training")()
        >>> y.shape, x_gradient.shape, weight_gradient.shape
        (torch.Size([4, 2]), torch.Size([4, 3]), torch.Size([2, 3]))
    """

    def __init__(
        self, module: nn.Module, inputs: Sequence[Tensor], *, what: What, seed: int = 0, compiled: bool = False
    ) -> None:
        one_of("ModulePass", "what", what, ("inference", "training"))
        self.module = copy.deepcopy(module).train(what == "training")
        self.inputs = [x.detach().requires_grad_(what == "training") for x in inputs]
        self.trains = what == "training"
        self.seed = seed
        self._forward: Callable[..., Tensor] = self.module
        if compiled:
            self._forward = torch.compile(self.module, fullgraph=True, dynamic=False)
        self._wanted = [*self.inputs, *self.module.parameters()]
        self._gradient: Tensor | None = None

    def __call__(self) -> tuple[Tensor | None, ...]:
        """Runs the pass and returns y, in training followed by the gradients of inputs and parameters."""
        if not self.trains:
            with torch.inference_mode():
                return (self._forward(*self.inputs),)
        y = self._forward(*self.inputs)
        if self._gradient is None:
            self._gradient = self._draw(y)
        return (y.detach(), *torch.autograd.grad(y, self._wanted, self._gradient, allow_unused=True))

    def _draw(self, y: Tensor) -> Tensor:
        """The gradient of y: the same numbers for the same shape, with y's strides."""
        numbers = torch.randn(y.shape, generator=torch.Generator().manual_seed(self.seed), dtype=y.dtype)
        return torch.empty_like(y, requires_grad=False).copy_(numbers)
