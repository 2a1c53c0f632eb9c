"""The values of one forward pass: which operation made each of what, and which modules returned it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CONSTANT = -1
"""In place of a value: a parameter, a buffer, or what is computed of those alone."""

WEIGHTED = frozenset({"convolution", "addmm", "mm", "bmm", "baddbmm", "linear"})
NORMALISATIONS = frozenset(
    {"native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit_no_training"}
    | {"native_group_norm", "native_layer_norm", "batch_norm_elemt", "_batch_norm_no_update"}
)
_LAST = frozenset({"addmm", "mm", "bmm", "baddbmm", "linear"})
_FIRST = frozenset({"convolution"}) | NORMALISATIONS - {"native_layer_norm"}


@dataclass(frozen=True)
class Value:
    """A tensor at one moment; an operation in place makes a new one.

    Attributes:
        operation: the name of the operation that made it, without its overload and the underscore of the form in place.
        parents: the values that it was made of, or `CONSTANT`.
        shape: the tensor's.
        axis: the one of the channels, or None where it is not known.
        kernel: of a convolution its size, else empty.
        dtype: the tensor's.
        device: the tensor's.
    """

    operation: str
    parents: tuple[int, ...]
    shape: tuple[int, ...]
    axis: int | None
    kernel: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def weighted(self) -> bool:
        """Returns whether a convolution or a matrix product made it."""
        return self.operation in WEIGHTED or "attention" in self.operation

    @property
    def positions(self) -> tuple[int, ...]:
        """The sizes of its axes but the batch and the channels."""
        return tuple(size for axis, size in enumerate(self.shape) if axis not in (0, self.axis))


@dataclass
class Flow:
    """The values of one pass, in order.

    Attributes:
        values: all of them, the inputs first.
        outputs: those that the network returned.
        returned: for each value the paths of the modules that returned it, the innermost first.
        calls: for each module's path the values that its calls returned; None for a result that is no tensor.
    """

    values: list[Value] = field(default_factory=list)
    outputs: set[int] = field(default_factory=set)
    returned: dict[int, list[str]] = field(default_factory=dict)
    calls: dict[str, list[int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before: list[int] = []
        self.after: list[int] = []
        self.consumers: list[list[int]] = []
        self.reaching = 0

    def close(self) -> None:
        """Computes what precedes and what follows each value, as sets of bits."""
        for value in self.values:
            bits = 0
            for parent in value.parents:
                if parent != CONSTANT:
                    bits |= self.before[parent] | 1 << parent
            self.before.append(bits)
        for output in self.outputs:
            self.reaching |= self.before[output] | 1 << output
        self.consumers = [[] for _ in self.values]
        self.after = [0] * len(self.values)
        for index in range(len(self.values) - 1, -1, -1):
            if self.reaching >> index & 1:
                for parent in set(self.values[index].parents) - {CONSTANT}:
                    self.consumers[parent].append(index)
                    self.after[parent] |= self.after[index] | 1 << index

    def weights_in(self, bits: int) -> int:
        """The number of weighted operations among the values of a set."""
        return sum(self.values[index].weighted for index in members(bits))


def members(bits: int) -> Iterator[int]:
    """The members of a set of bits, in order.

    >>> list(members(0b1010))
    [1, 3]
    """
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


class Recorder(TorchDispatchMode):
    """Writes the flow of what runs inside the block."""

    def __init__(self, inputs: Any) -> None:
        super().__init__()
        self.flow = Flow()
        self._current: dict[int, int] = {}
        self._base: dict[int, Tensor] = {}
        self._alive: list[Tensor] = []
        for tensor in _tensors(inputs):
            self._make(tensor, "input", (), 1 if tensor.ndim > 1 else None, ())

    def value_of(self, tensor: Tensor) -> int:
        """The value that a tensor is now."""
        return self._current.get(id(tensor), CONSTANT)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = list(_tensors((args, kwargs)))
        parents = tuple(dict.fromkeys(self.value_of(tensor) for tensor in given))
        operation = function._schema.name.partition("::")[2].rstrip("_")
        axes = self._axes(given)
        result = function(*args, **kwargs)
        written = [args[i] for i, a in enumerate(function._schema.arguments[: len(args)]) if _writes(a)]
        made = list({id(t): t for t in (*written, *_tensors(result)) if isinstance(t, Tensor)}.values())
        for tensor in made:
            self._keep_base(function, given, written, tensor)
            if any(parent != CONSTANT for parent in parents):
                axis = _axis(operation, args, given, axes, tensor)
                kernel = tuple(given[1].shape[2:]) if operation == "convolution" and len(given) > 1 else ()
                self._make(tensor, operation, parents, axis, kernel)
                if any(tensor is one for one in written):
                    self._change_bases(tensor)
            else:
                self._alive.append(tensor)
                self._current.pop(id(tensor), None)
        return result

    def _axes(self, given: Sequence[Tensor]) -> list[int | None]:
        indices = (self.value_of(tensor) for tensor in given)
        return [None if index == CONSTANT else self.flow.values[index].axis for index in indices]

    def _make(
        self, tensor: Tensor, operation: str, parents: tuple[int, ...], axis: int | None, kernel: tuple[int, ...]
    ) -> None:
        self._alive.append(tensor)
        self._current[id(tensor)] = len(self.flow.values)
        shape = tuple(tensor.shape)
        self.flow.values.append(Value(operation, parents, shape, axis, kernel, tensor.dtype, tensor.device))

    def _keep_base(self, function: Any, given: list[Tensor], written: list[Tensor], tensor: Tensor) -> None:
        """Notes the tensor that a view belongs to."""
        views = any(r.alias_info is not None and not r.alias_info.is_write for r in function._schema.returns)
        if views and not written and given and tensor is not given[0]:
            self._base[id(tensor)] = given[0]

    def _change_bases(self, tensor: Tensor) -> None:
        """Makes new values of the tensors that a written view belongs to."""
        view = tensor
        while (base := self._base.get(id(view))) is not None:
            parents = (self.value_of(base), self.value_of(view))
            old = self.value_of(base)
            axis = 1 if old == CONSTANT else self.flow.values[old].axis
            self._make(base, "write", parents, axis, ())
            view = base


@contextmanager
def recording(net: nn.Module, recorder: Recorder) -> Iterator[Flow]:
    """Records what runs in the block, and what the network's modules return."""
    paths = {id(module): path for path, module in net.named_modules()}
    flow = recorder.flow

    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        path = paths.get(id(module))
        if path is None:
            return
        index = recorder.value_of(output) if isinstance(output, Tensor) else CONSTANT
        flow.calls.setdefault(path, []).append(None if index == CONSTANT else index)
        if index != CONSTANT:
            flow.returned.setdefault(index, []).append(path)

    # A hook over all modules, because hooks of the network's own would be a change of it.
    hook = register_module_forward_hook(note)
    try:
        with recorder:
            yield flow
    finally:
        hook.remove()


def trace(net: nn.Module, example: Any, run: Any) -> Flow:
    """The flow of one pass of the network over the example."""
    recorder = Recorder(example)
    with recording(net, recorder) as flow:
        result = run(net, example)
    outputs = (recorder.value_of(tensor) for tensor in _tensors(result))
    flow.outputs = {index for index in outputs if index != CONSTANT}
    flow.close()
    return flow


def count_calls(net: nn.Module, modules: Mapping[int, str], example: Any, run: Any) -> Counter[str]:
    """The number of calls of each of those modules, given by id, in one pass."""
    found: Counter[str] = Counter()

    def note(module: nn.Module, _inputs: Any, _output: Any) -> None:
        if id(module) in modules:
            found[modules[id(module)]] += 1

    hook = register_module_forward_hook(note)
    try:
        run(net, example)
    finally:
        hook.remove()
    return found


def _tensors(things: Any) -> Iterator[Tensor]:
    leaves = tree_leaves(things)
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            yield leaf
        elif hasattr(leaf, "__dataclass_fields__"):
            yield from (value for value in vars(leaf).values() if isinstance(value, Tensor))


def _writes(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _axis(operation: str, args: Sequence[Any], given: list[Tensor], axes: list[int | None], made: Tensor) -> int | None:
    """The axis of the channels of what an operation made."""
    if operation in _FIRST:
        return 1
    if operation == "native_layer_norm":
        return made.ndim - 1 if len(args[1]) == 1 else axes[0]
    if operation in _LAST:
        return made.ndim - 1
    known = [(tensor, axis) for tensor, axis in zip(given, axes, strict=True) if axis is not None]
    if not known:
        return None
    # The largest operand: a gate of one value per channel does not say where the channels of the product are.
    source, axis = max(known, key=lambda pair: (pair[0].ndim, pair[0].numel()))
    if operation in ("permute", "transpose", "t"):
        order = _order(operation, args, source.ndim)
        return order.index(axis) if axis in order else None
    if operation in ("select", "unsqueeze", "squeeze"):
        return _shifted(operation, args, source, axis, made)
    if operation in ("view", "_unsafe_view", "reshape", "_reshape_alias"):
        return _same_axis(tuple(source.shape), axis, tuple(made.shape))
    return axis if source.ndim == made.ndim else None


def _order(operation: str, args: Sequence[Any], ndim: int) -> list[int]:
    if operation == "permute":
        return [axis % ndim for axis in args[1]]
    order = list(range(ndim))
    first, second = (args[1] % ndim, args[2] % ndim) if operation == "transpose" else (0, ndim - 1)
    order[first], order[second] = order[second], order[first]
    return order


def _shifted(operation: str, args: Sequence[Any], source: Tensor, axis: int, made: Tensor) -> int | None:
    if len(args) < 2 or not isinstance(args[1], int):
        return _same_axis(tuple(source.shape), axis, tuple(made.shape))
    position = args[1] % (source.ndim + (operation == "unsqueeze"))
    if operation == "unsqueeze":
        return axis + (position <= axis)
    if made.ndim == source.ndim:
        return axis
    return None if position == axis else axis - (position < axis)


def _same_axis(old: tuple[int, ...], axis: int, new: tuple[int, ...]) -> int | None:
    """The axis of a reshaped tensor that is the same one, or that it is split into or merged with.

    >>> _same_axis((2, 49, 96), 2, (2, 7, 7, 96)), _same_axis((2, 96, 7, 7), 1, (2, 96, 49))
    (3, 1)
    >>> _same_axis((2, 96, 7, 7), 1, (2, 3, 32, 7, 7)), _same_axis((2, 32, 3, 7, 7), 2, (2, 96, 7, 7))
    (1, 1)
    """
    start = math.prod(old[:axis])
    starts = [math.prod(new[:candidate]) for candidate in range(len(new) + 1)]
    for candidate, size in enumerate(new):
        if size == old[axis] and starts[candidate] == start:
            return candidate
    inside = (j for j in range(len(new)) if starts[j] <= start < starts[j + 1])
    return next(inside, None)
