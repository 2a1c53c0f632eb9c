"""The cost of one mechanism at one shape, and the shapes of its maps; computed without real values."""

import functools
import inspect
import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from regard import cost
from regard.attention import find
from regard.core import Attended, Mechanism, Sample, Spec
from regard.core.tap import Tap, taps
from regard.recipes.shapes import build, with_dims

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class MechanismSize:
    """The cost of a mechanism.

    Attributes:
        shape: channels and sizes of x; of a temporal mechanism the size of query and keys, and the number of keys.
        parameters: number of parameters.
        macs: multiply-adds of one forward pass over one image, or of one query over keys that are not remembered yet,
            counted as `regard.cost.macs` counts them.
    """

    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class MapFacts:
    """A map of a mechanism, as described by its tap.

    Attributes:
        path: path of its tap.
        kind: kind of the map.
        shape: shape of the map of one image, without the batch.
        low: smallest possible value, with `start="paper"`.
        high: largest possible value.
        shares: the axes over which the weights sum to one.
        neutral: the map that has no effect: a number, or in words.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    low: float
    high: float
    shares: tuple[str, ...]
    neutral: float | str

    @classmethod
    def of(cls, path: str, tap: Tap, values: Tensor) -> "MapFacts":
        """Describes a tap and a map that passed it."""
        return cls(
            path=path,
            kind=tap.kind.name,
            shape=tuple(values.shape[1:]),
            low=tap.low,
            high=tap.high,
            shares=tuple(sorted(axis.value for axis in tap.shares)),
            neutral=tap.neutral if isinstance(tap.neutral, float) else tap.does_nothing,
        )


@dataclass(frozen=True, kw_only=True)
class MechanismForms:
    """The shapes of a mechanism's inputs, output and maps, all without the batch.

    Attributes:
        inputs: shape of each input by name, x or the query first.
        output: shape of y, or of the context.
        maps: its maps in the order of its taps; a tap that passes several has several entries.
    """

    inputs: dict[str, tuple[int, ...]]
    output: tuple[int, ...]
    maps: tuple[MapFacts, ...]


def size_of(mechanism: str | Spec, shape: tuple[int, ...]) -> MechanismSize:
    """Counts the parameters and multiply-adds of a mechanism at a shape.

    Args:
        mechanism: name of the mechanism, with options as in cbam:reduction=8.
        shape: channels and sizes of x.

    Raises:
        UnknownNameError: no such mechanism.
        OptionError: no such option, a value it does not allow, or a shape that it does not take.

    Example:
        >>> size_of("se", (256, 56, 56))
        MechanismSize(shape=(256, 56, 56), parameters=8464, macs=8192)
    """
    return _size_of(_for_shape(mechanism, shape), shape)


def forms_of(mechanism: str | Spec, shape: tuple[int, ...]) -> MechanismForms:
    """Returns the shapes of a mechanism's inputs, output and maps; arguments and errors as of `size_of`.

    >>> seen = forms_of("cbam", (256, 56, 56)).maps[1]
    >>> seen.path, seen.kind, seen.shape, seen.low, seen.high, seen.neutral
    ('spatial.gate', 'spatial', (1, 56, 56), 0.0, 1.0, 1.0)
    """
    return _on_meta(_for_shape(mechanism, shape), shape, _forms)


def _for_shape(mechanism: str | Spec, shape: tuple[int, ...]) -> Spec:
    spec = Spec.parse(mechanism)
    return with_dims(find(spec.name), spec, len(shape) - 1)


@functools.cache
def _size_of(spec: Spec, shape: tuple[int, ...]) -> MechanismSize:
    return _on_meta(spec, shape, functools.partial(_count, shape))


def _on_meta(spec: Spec, shape: tuple[int, ...], use: Callable[[Mechanism, tuple[Tensor, ...]], Result]) -> Result:
    """Calls `use` with the module and its inputs, built without values where possible.

    Meta tensors have no autocast and no random numbers, so some mechanisms need fake tensors on the CPU.
    """
    for context in (_meta_device, _fake_mode, nullcontext):
        try:
            with context(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
                module = build(spec, shape[0]).eval()
                return use(module, module.example_inputs(shape[0], shape[1:], 1))
        except (NotImplementedError, RuntimeError):
            if context is nullcontext:
                raise
    raise AssertionError("the last way returns or raises")


def _meta_device() -> AbstractContextManager[object]:
    return torch.device("meta")


def _fake_mode() -> AbstractContextManager[object]:
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


def _count(shape: tuple[int, ...], module: Mechanism, inputs: tuple[Tensor, ...]) -> MechanismSize:
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    return MechanismSize(shape=shape, parameters=cost.parameters(module), macs=counter.get_total_flops() // 2)


def _forms(module: Mechanism, inputs: tuple[Tensor, ...]) -> MechanismForms:
    seen: dict[str, list[MapFacts]] = {}

    def record(path: str, tap: Tap, values: Tensor) -> None:
        seen.setdefault(path, []).append(MapFacts.of(path, tap, values))

    for path, tap in taps(module).items():
        tap.sink = functools.partial(record, path, tap)
    returned = module(*inputs)
    y = returned
    if isinstance(returned, Sample | Attended):
        y = returned.value if isinstance(returned, Sample) else returned.context
    names = list(inspect.signature(module.forward).parameters)
    return MechanismForms(
        inputs={name: tuple(given.shape[1:]) for name, given in zip(names, inputs, strict=False)},
        output=tuple(y.shape[1:]),
        maps=tuple(itertools.chain.from_iterable(seen.get(path, []) for path in taps(module))),
    )
