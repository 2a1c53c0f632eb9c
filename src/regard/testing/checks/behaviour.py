"""Images that do not see one another, runs that repeat, parameters that all take part."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from regard.testing.comparison import agree
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, during
from regard.testing.subject import Subject, run, run_backward
from regard.testing.tolerance import allowed_difference, longest_sum

VARYING_ON_CUDA = {
    "avg_pool3d_backward": "",
    "_adaptive_avg_pool2d_backward": "average with a pooling matrix built from the size",
    "_adaptive_avg_pool3d_backward": "average with a pooling matrix built from the size",
    "adaptive_max_pool2d_backward": "take amax",
    "fractional_max_pool2d_backward": "",
    "fractional_max_pool3d_backward": "",
    "max_unpool2d": "",
    "max_unpool3d": "",
    "upsample_linear1d_backward": "interpolate with a matrix built from the size",
    "upsample_bilinear2d_backward": "interpolate with a matrix built from the size",
    "upsample_bicubic2d_backward": "interpolate with a matrix built from the size",
    "upsample_trilinear3d_backward": "interpolate with a matrix built from the size",
    "reflection_pad1d_backward": "pad with zeros",
    "reflection_pad2d_backward": "pad with zeros",
    "reflection_pad3d_backward": "pad with zeros",
    "grid_sampler_2d_backward": "",
    "grid_sampler_3d_backward": "",
    "histc": "",
}
"""Operators that `torch.use_deterministic_algorithms` refuses on CUDA, and what to use instead where there is a way."""


def batch_independence(subject: Subject) -> None:
    """In evaluation an image's y does not depend on the images beside it."""
    module = subject.stir().eval()
    inputs = subject.inputs(batch=4)
    allowed = allowed_difference(torch.float32, longest_sum(module, inputs))
    with during("a batch of four images"), torch.no_grad():
        together = run(module, inputs)
        for i in (0, 2):
            pair = run(module, tuple(x[i : i + 2] for x in inputs))
            agree(together[i : i + 2], pair, allowed, "beside two other images in the batch a value of y")


def determinism(subject: Subject) -> None:
    """Gives the same y twice, in training under one seed with deterministic algorithms, which all its operators have.

    Where its facts name a nondeterministic operator, training on another device than the CPU may vary.
    """
    inputs = subject.inputs()
    module = subject.stir().eval()
    with during("evaluation"), torch.no_grad():
        agree(run(module, inputs), run(module, inputs), 0.0, "y of the second pass in evaluation")
    with _deterministic() as warned, _Operators() as operators:
        first, second = (_train(subject, inputs) for _ in range(2))
    known = subject.facts is not None and subject.facts.nondeterministic is not None
    if not known or subject.device.type == "cpu":
        for name, values in second.items():
            agree(values, first[name], 0.0, f"{name} of the second run in training under one seed")
    if not known:
        _none_warns(warned, subject.device.type)
        _none_varies(operators.seen)


def _train(subject: Subject, inputs: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
    """`y` of a training step, and every gradient."""
    module = subject.stir()
    with during("training"), subject.drawing("regard.testing", "training"):
        y, gradients = run_backward(module, inputs)
    return {"y": y} | {f"the gradient of {name}": value for name, value in gradients.items() if value is not None}


@contextmanager
def _deterministic() -> Iterator[list[warnings.WarningMessage]]:
    """Inside, operators compute deterministically where they can; those that cannot leave a warning in the list."""
    before, only = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield warned
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only)


def unused_parameters(subject: Subject) -> None:
    """Every parameter gets a gradient, as distributed training (DDP) needs."""
    module = subject.stir()
    if not any(p.requires_grad for p in module.parameters()):
        raise CheckSkippedError("The module has no parameters that are trained.")
    with during("a training step"):
        gradients = run_backward(module, subject.inputs())[1]
    without = [name for name, gradient in gradients.items() if gradient is None and name != "x"]
    if without:
        raise CheckFailedError(
            f"{', '.join(without)} got no gradient in a training step: use every parameter that is registered, "
            "or register it only where an option needs it."
        )


class _Operators(TorchDispatchMode):
    """The names of the operators that ran inside."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001
        self.seen.add(operator.overloadpacket.__name__)
        return operator(*args, **(kwargs or {}))


def _none_varies(seen: set[str]) -> None:
    for name in sorted(seen & VARYING_ON_CUDA.keys()):
        remedy = VARYING_ON_CUDA[name]
        raise CheckFailedError(
            f"{name} gives other results from run to run on CUDA: {remedy + ', or ' if remedy else ''}"
            "name it in facts.nondeterministic."
        )


def _none_warns(warned: list[warnings.WarningMessage], device: str) -> None:
    for warning in warned:
        if "does not have a deterministic implementation" in str(warning.message):
            raise CheckFailedError(
                f"{str(warning.message).partition('. ')[0]} (on {device}): use another operator, or name it in "
                "facts.nondeterministic."
            )
