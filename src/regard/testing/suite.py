"""The conformance suite: what every attention module should promise, checked on yours."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch

from regard.core.devices import resolve_device
from regard.core.errors import OptionError, unknown_name
from regard.core.seeding import use_seed
from regard.testing.checks import behaviour, capture, construction, copies, layout, maps, numerics, precision
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, Outcome, Report, brief
from regard.testing.source import Attention
from regard.testing.subject import ExampleInputs, Subject, subject_of

CHECKS: Mapping[str, Callable[[Subject], None]] = MappingProxyType(
    {
        "shapes": layout.shapes,
        "batch_of_one": layout.batch_of_one,
        "few_channels": construction.few_channels,
        "channels_last": layout.channels_last,
        "dtypes": numerics.dtypes,
        "autocast": numerics.autocast,
        "statistics": precision.statistics,
        "finiteness": numerics.finiteness,
        "gradcheck": numerics.gradcheck,
        "compile": capture.compile,
        "compile_inductor": capture.compile_inductor,
        "export": capture.export,
        "onnx": capture.onnx,
        "deepcopy": copies.deepcopy,
        "pickle": copies.pickling,
        "state_dict": copies.state_dict,
        "batch_independence": behaviour.batch_independence,
        "determinism": behaviour.determinism,
        "unused_parameters": behaviour.unused_parameters,
        "taps": maps.taps_carry_the_map,
        "taps_compiled": maps.taps_compiled,
        "neutral": maps.neutral,
        "identity_start": maps.identity_start,
        "misspelt_option": construction.misspelt_option,
        "parameter_order": construction.parameter_order,
        "parameter_count": construction.parameter_count,
        "wrong_input": construction.wrong_input,
    }
)
"""Every check by its name; its docstring is the promise."""

OPT_IN = ("compile_inductor",)
"""Checks that run only where they are asked for by name, because they take long."""


def check_attention(
    attention: Attention,
    *,
    channels: int | None = None,
    dims: tuple[int, ...] | None = None,
    keeps_shape: bool | None = None,
    example_inputs: ExampleInputs | None = None,
    checks: Iterable[str] | None = None,
    device: str | torch.device = "cpu",
    raise_on_failure: bool = True,
) -> Report:
    """Checks whether an attention module keeps the promises of a mechanism.

    It works on copies, in float32 where a check does not say otherwise, and leaves your module and PyTorch's
    generators as they were. A module with `regard.core.Facts` in its attribute `facts` is held to them;
    without facts it is taken to give y the shape of x and to take images.

    Args:
        attention: a class or a function of the number of channels, so that checks can build modules with other
            channels and options (`functools.partial(Mine, reduction=4)`); or an instance, for which those checks
            are skipped.
        channels: the channels of the inputs; by default 16, or an instance's attribute `channels`.
        dims: numbers of position axes it takes; by default those of its facts, or `(2,)`.
        keeps_shape: whether y has the shape of x; by default as its facts say, or True.
        example_inputs: (channels, size, batch) -> the tensor or tuple of tensors that forward takes; by default the
            method of that name, or standard normal features (batch, channels, *size).
        checks: names in `CHECKS`; by default all but those in `OPT_IN`.
        device: where it runs: `cpu`, `cuda`, `cuda:1`, `mps` or `auto`. On another device than the CPU the CPU's
            float64 is the reference, and products are in full float32, without TF32.
        raise_on_failure: raise where a check fails, instead of returning the report.

    Returns:
        The outcome of each check.

    Raises:
        ConformanceError: a check failed; the text lists every failed check and why.
        OptionError: `attention` is no module, cannot be built, or does not take its reference input; or a device
            that is not there.
        UnknownNameError: a check that does not exist.

    Example:
        >>> class Mine(torch.nn.Module):
        ...     def __init__(self, channels: int) -> None:
        ...         super().__init__()
        ...         self.score = torch.nn.Conv2d(channels, channels, 1)
        ...     def forward(self, x: torch.Tensor) -> torch.Tensor:
        ...         return x * self.score(x.mean((2, 3), keepdim=True)).softmax(0)
        >>> print(check_attention(Mine, checks=("shapes", "batch_independence"), raise_on_failure=False))
        Mine: 1 passed, 1 failed, 0 skipped
        passed  shapes
        failed  batch_independence  beside two other images in the batch a value of y is ...
    """
    chosen, where = _choose(checks), resolve_device(device)
    with warnings.catch_warnings(), use_seed("regard.testing"), torch.enable_grad(), _full_float32(where):
        warnings.simplefilter("ignore")
        checked = subject_of(
            attention,
            channels=channels,
            dims=dims,
            keeps_shape=keeps_shape,
            example_inputs=example_inputs,
            device=where,
        )
        report = Report(checked.name, tuple(_outcome(name, checked) for name in chosen))
    if raise_on_failure:
        report.raise_on_failure()
    return report


def _choose(checks: Iterable[str] | None) -> tuple[str, ...]:
    """The names asked for, in the order of `CHECKS`."""
    if checks is None:
        return tuple(name for name in CHECKS if name not in OPT_IN)
    asked = (checks,) if isinstance(checks, str) else tuple(checks)
    for name in asked:
        if name not in CHECKS:
            raise unknown_name("check", name, CHECKS)
    if not asked:
        raise OptionError(f"check_attention: checks is empty; name some of {', '.join(CHECKS)}.")
    return tuple(name for name in CHECKS if name in asked)


@contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """Inside, CUDA's products and convolutions of float32 are not rounded to TF32."""
    if device.type != "cuda":
        yield
        return
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = False
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def _outcome(name: str, checked: Subject) -> Outcome:
    try:
        CHECKS[name](checked)
    except CheckSkippedError as reason:
        return Outcome(name, "skipped", str(reason))
    except CheckFailedError as failure:
        return Outcome(name, "failed", str(failure))
    except Exception as error:
        return Outcome(name, "failed", f"It raised {brief(error)}.")
    return Outcome(name, "passed")
