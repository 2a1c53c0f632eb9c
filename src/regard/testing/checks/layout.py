"""Any size, any batch, any memory layout."""

import torch
from torch import Tensor

from regard.testing.comparison import finite
from regard.testing.inputs import PLAIN, SIZES
from regard.testing.outcomes import CheckFailedError, during
from regard.testing.subject import Subject, run, run_backward


def shapes(subject: Subject) -> None:
    """Takes sizes from a single position to odd and non-square ones, with every number of axes it promises."""
    for dims in subject.dims:
        module = subject.module(dims=dims)
        for size in SIZES[dims]:
            inputs = subject.inputs(size)
            for training in (False, True):
                what = _describe(inputs[0], training)
                with during(what), torch.no_grad():
                    y = run(module.train(training), inputs)
                    _right_shape(subject, y, inputs[0], what)
                    finite(y, f"{what}: y")


def batch_of_one(subject: Subject) -> None:
    """Takes a batch of one image, down to one position, in evaluation and in training with its gradient."""
    for dims in subject.dims:
        for size in ((1,) * dims, PLAIN[dims]):
            for training in (False, True):
                inputs = subject.inputs(size, batch=1)
                what = _describe(inputs[0], training)
                with during(what):
                    y, gradients = run_backward(subject.module(dims=dims).train(training), inputs)
                    _right_shape(subject, y, inputs[0], what)
                    finite(y, f"{what}: y")
                    for name, gradient in gradients.items():
                        if gradient is not None:
                            finite(gradient, f"{what}: the gradient of {name}")


def channels_last(subject: Subject) -> None:
    """Gives y the strides of x, contiguous or channels last."""
    for dims in subject.dims:
        module = subject.module(dims=dims).eval()
        x, *rest = subject.inputs(tuple(range(4, 4 + dims)))
        for layout, laid in _layouts(x).items():
            what = f"x {tuple(x.shape)} with {layout} strides {laid.stride()}"
            with during(what), torch.no_grad():
                y = run(module, (laid, *rest))
            wanted = laid.stride() if subject.keeps_shape else _like(y, laid)
            if y.stride() != wanted:
                raise CheckFailedError(f"{what}: y has strides {y.stride()} where it should have {wanted}.")


def _layouts(x: Tensor) -> dict[str, Tensor]:
    """x in memory as it is, and channels last where PyTorch knows that."""
    layouts = {"contiguous": x}
    if x.ndim in (4, 5):
        last = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
        layouts["channels-last"] = x.contiguous(memory_format=last)
    return layouts


def _like(y: Tensor, x: Tensor) -> tuple[int, ...]:
    """The strides that y has when its axes lie in memory in the order of x's."""
    order = sorted(range(x.ndim), key=x.stride, reverse=True)
    if y.ndim != x.ndim:
        return y.contiguous().stride()
    back = sorted(range(x.ndim), key=order.__getitem__)
    return y.permute(order).contiguous().permute(back).stride()


def _right_shape(subject: Subject, y: Tensor, x: Tensor, what: str) -> None:
    if subject.keeps_shape and y.shape != x.shape:
        raise CheckFailedError(f"{what}: y has shape {tuple(y.shape)}; it must have the shape of x.")
    if y.ndim == 0 or y.shape[0] != x.shape[0]:
        raise CheckFailedError(f"{what}: y has shape {tuple(y.shape)}; its batch must have {x.shape[0]} items.")


def _describe(x: Tensor, training: bool) -> str:
    return f"x {tuple(x.shape)} in {'training' if training else 'evaluation'}"
