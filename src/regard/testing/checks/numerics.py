"""Dtypes, range and gradients."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from regard.core.precision import HALF_PRECISION
from regard.core.tap import taps
from regard.testing.comparison import agree, finite
from regard.testing.inputs import MANY, amplify
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, during
from regard.testing.subject import Subject, run, run_backward, wake
from regard.testing.tolerance import allowed_difference, longest_sum

REPEATED = 1e-6
"""The tolerance between two gradients of one value in `gradcheck`; whether they repeat is the check `determinism`."""


def dtypes(subject: Subject) -> None:
    """Agrees in float16, bfloat16 and float32 with the CPU in float64, and returns x's dtype."""
    reference = subject.on_the_cpu
    for dtype in (*HALF_PRECISION, torch.float32, torch.float64):
        inputs = tuple(x.to(dtype) for x in subject.inputs())
        module = subject.stir().to(dtype).eval()
        what = f"x in {word(dtype)}"
        with during(what), torch.no_grad():
            y = run(module, inputs)
        if y.dtype != dtype:
            raise CheckFailedError(f"{what}: y has dtype {word(y.dtype)}.")
        exact = reference.stir().to(dtype).double().eval()
        with during("x in float64"), torch.no_grad():
            want = run(exact, tuple(x.to(dtype).double() for x in reference.inputs()))
        agree(y, want, allowed_difference(dtype, longest_sum(module, inputs)), f"{what}: a value of y")
        with during(f"{what} in training"):
            _, gradients = run_backward(module.train(), inputs)
        _finite_gradients(gradients, what)


def autocast(subject: Subject) -> None:
    """Agrees under half-precision autocast with float32, for x in either dtype, with a mechanism's maps in float32."""
    module, inputs = subject.stir(), subject.inputs()
    for half in reversed(HALF_PRECISION):
        allowed = allowed_difference(half, longest_sum(module, inputs))
        for dtype in (torch.float32, half):
            what = f"x in {word(dtype)} under autocast to {word(half)}"
            given = tuple(x.to(dtype) for x in inputs)
            with during("the module without autocast"), torch.no_grad():
                want = run(module.eval(), tuple(x.float() for x in given))
            with during(what), torch.autocast(subject.device.type, half):
                with torch.no_grad(), _wide_maps(module if subject.facts else None, what):
                    y = run(module.eval(), given)
                trained, gradients = run_backward(module.train(), given)
            if y.dtype not in (dtype, half):
                raise CheckFailedError(
                    f"{what}: y has dtype {word(y.dtype)}, which costs twice the memory: apply the map in x's dtype."
                )
            agree(y, want, allowed, f"{what}: a value of y")
            finite(trained, f"{what}: y in training")
            _finite_gradients(gradients, what)


@contextmanager
def _wide_maps(module: nn.Module | None, what: str) -> Iterator[None]:
    """Inside, a map in fewer than 32 bits that passes a tap of the module is a failure."""
    narrow: dict[str, torch.dtype] = {}
    found = {} if module is None else taps(module)
    for path, tap in found.items():
        tap.sink = lambda values, path=path: (
            narrow.update({path: values.dtype}) if values.dtype in HALF_PRECISION else None
        )
    try:
        yield
    finally:
        for tap in found.values():
            tap.sink = None
    for path, dtype in narrow.items():
        raise CheckFailedError(f"{what}: the map in the tap {path} is in {word(dtype)}: normalise in float32 (widen).")


def finiteness(subject: Subject) -> None:
    """Stays finite for strong x over many positions in float16, and for constant and tiny x, with its gradient."""
    strong = tuple(amplify(x).half() for x in subject.inputs(MANY[subject.main_dims]))
    what = f"strong x in float16 (up to {float(strong[0].abs().max()):.0f})"
    for training in (False, True):
        with during(what), torch.no_grad():
            y = run(wake(subject.module()).half().train(training), strong)
        finite(y, f"{what}: y")
    for what, scaled in {
        "x = 0 everywhere": tuple(0 * x for x in subject.inputs()),
        "x = 1 everywhere": tuple(torch.ones_like(x) for x in subject.inputs()),
        "tiny x (1e-6)": tuple(1e-6 * x for x in subject.inputs()),
    }.items():
        for training in (False, True):
            with during(what):
                y, gradients = run_backward(subject.stir().train(training), scaled)
            finite(y, f"{what}: y")
            _finite_gradients(gradients, what)


def gradcheck(subject: Subject) -> None:
    """Has the gradients, for x and for every parameter, that differences of y in float64 show."""
    if subject.facts is not None and subject.facts.kind == "hard":
        raise CheckSkippedError("A hard mechanism samples; differences of a sample are no gradient.")
    inputs = tuple(x.double() for x in subject.inputs((3, 4, 2)[: subject.main_dims]))
    for training in (False, True):
        module = subject.stir().double().train(training)
        trained = {n: p for n, p in module.named_parameters() if p.requires_grad and p.numel()}
        x = inputs[0].requires_grad_()
        for name, value in {"x": x, **trained}.items():
            with during(f"the gradient of {name} in {'training' if training else 'evaluation'}"):
                # gradcheck changes `value` in place, so the module sees it change.
                torch.autograd.gradcheck(
                    lambda _: _sample(subject, module, inputs),  # noqa: B023
                    (value,),
                    fast_mode=True,
                    nondet_tol=REPEATED,
                )


def _sample(subject: Subject, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """y with the same random numbers in every call."""
    with subject.drawing("regard.testing", "gradcheck"):
        return run(module, inputs)


def _finite_gradients(gradients: Mapping[str, torch.Tensor | None], what: str) -> None:
    for name, gradient in gradients.items():
        if gradient is not None:
            finite(gradient, f"{what}: the gradient of {name}")


def word(dtype: torch.dtype) -> str:
    """The dtype as sentences name it.

    >>> word(torch.float16)
    'float16'
    """
    return str(dtype).removeprefix("torch.")
