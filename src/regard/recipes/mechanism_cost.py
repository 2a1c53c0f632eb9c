"""What one mechanism costs at one shape and what it makes there; nothing is really computed."""

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
    """What a mechanism costs.

    Attributes:
        shape: channels and sizes of x; for a temporal mechanism the size of query and keys, and their number.
        parameters: how many it has.
        macs: multiply-adds of one forward pass over one picture, or of one query over keys that are not remembered yet,
            counted as `regard.cost.macs` counts them.
    """

    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class MapFacts:
    """A map that a mechanism makes, as its tap says.

    Attributes:
        path: of its tap.
        kind: what it is over.
        shape: of the map of one image, without the batch.
        low: the smallest value it can have, with `start="paper"`.
        high: the largest.
        shares: the axes over which the weights sum to one.
        neutral: the map that does nothing: a number, or in words.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    low: float
    high: float
    shares: tuple[str, ...]
    neutral: float | str

    @classmethod
    def of(cls, path: str, tap: Tap, map: Tensor) -> "MapFacts":
        """What a tap says of itself and of a map."""
        return cls(
            path=path,
            kind=tap.kind.name,
            shape=tuple(map.shape[1:]),
            low=tap.low,
            high=tap.high,
            shares=tuple(sorted(axis.value for axis in tap.shares)),
            neutral=tap.neutral if isinstance(tap.neutral, float) else tap.does_nothing,
        )


@dataclass(frozen=True, kw_only=True)
class MechanismForms:
    """What a mechanism takes and makes at a shape, all without the batch.

    Attributes:
        inputs: the shapes of what it takes, by name, x or the query first.
        output: the shape of y, or of the context.
        maps: those it makes, in the order of its taps; one that it makes several times is named several times.
    """

    inputs: dict[str, tuple[int, ...]]
    output: tuple[int, ...]
    maps: tuple[MapFacts, ...]


def size_of(mechanism: str | Spec, shape: tuple[int, ...]) -> MechanismSize:
    """Counts a mechanism at a shape.

    Args:
        mechanism: its name, with options as in cbam:reduction=8.
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
    """The shapes of what a mechanism takes and makes; arguments and errors as of `size_of`.

    >>> seen = forms_of("cbam", (256, 56, 56)).maps[1]
    >>> seen.path, seen.kind, seen.shape, seen.low, seen.high, seen.neutral
    ('spatial.gate', 'spatial', (1, 56, 56), 0.0, 1.0, 1.0)
    """
    return _built(_for_shape(mechanism, shape), shape, _forms)


def _for_shape(mechanism: str | Spec, shape: tuple[int, ...]) -> Spec:
    spec = Spec.parse(mechanism)
    return with_dims(find(spec.name), spec, len(shape) - 1)


@functools.cache
def _size_of(spec: Spec, shape: tuple[int, ...]) -> MechanismSize:
    return _built(spec, shape, functools.partial(_counted, shape))


def _built(spec: Spec, shape: tuple[int, ...], use: Callable[[Mechanism, tuple[Tensor, ...]], Result]) -> Result:
    """What `use` makes of the module and its inputs, built without values where that is possible.

    Meta tensors know no autocast and no random numbers, so some mechanisms need tensors that claim to be the CPU's.
    """
    for pretending in (_nowhere, _pretended, nullcontext):
        try:
            with pretending(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
                module = build(spec, shape[0]).eval()
                return use(module, module.example_inputs(shape[0], shape[1:], 1))
        except (NotImplementedError, RuntimeError):
            if pretending is nullcontext:
                raise
    raise AssertionError("the last way returns or raises")


def _nowhere() -> AbstractContextManager[object]:
    return torch.device("meta")


def _pretended() -> AbstractContextManager[object]:
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


def _counted(shape: tuple[int, ...], module: Mechanism, inputs: tuple[Tensor, ...]) -> MechanismSize:
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    return MechanismSize(shape=shape, parameters=cost.parameters(module), macs=counter.get_total_flops() // 2)


def _forms(module: Mechanism, inputs: tuple[Tensor, ...]) -> MechanismForms:
    seen: dict[str, list[MapFacts]] = {}

    def look(path: str, tap: Tap, map: Tensor) -> None:
        seen.setdefault(path, []).append(MapFacts.of(path, tap, map))

    for path, tap in taps(module).items():
        tap.sink = functools.partial(look, path, tap)
    said = module(*inputs)
    y = said.value if isinstance(said, Sample) else said.context if isinstance(said, Attended) else said
    names = list(inspect.signature(module.forward).parameters)
    return MechanismForms(
        inputs={name: tuple(given.shape[1:]) for name, given in zip(names, inputs, strict=False)},
        output=tuple(y.shape[1:]),
        maps=tuple(itertools.chain.from_iterable(seen.get(path, []) for path in taps(module))),
    )
