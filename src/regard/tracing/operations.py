"""The operations of a mechanism as PyTorch records them: what depends on what, and which function of ours did it."""

import math
import operator
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.fx.traceback import annotate, preserve_node_meta
from torch.overrides import TorchFunctionMode

from regard.core import Mechanism
from regard.core.tap import Tap, taps
from regard.tracing.sizes import Pair, Sizes

FEATURES, LEARNED, FIXED = "features", "learned", "fixed"

VIEWS = frozenset(
    {
        "_to_copy",
        "_unsafe_view",
        "alias",
        "broadcast_to",
        "chunk",
        "clamp",
        "clamp_max",
        "clamp_min",
        "clone",
        "constant_pad_nd",
        "contiguous",
        "copy",
        "detach",
        "dropout",
        "expand",
        "expand_as",
        "feature_dropout",
        "flatten",
        "getitem",
        "lift_fresh_copy",
        "mT",
        "masked_fill",
        "moveaxis",
        "movedim",
        "nan_to_num",
        "narrow",
        "numpy_T",
        "pad",
        "permute",
        "repeat",
        "repeat_interleave",
        "reshape",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "swapaxes",
        "t",
        "tensor_split",
        "to",
        "transpose",
        "type_as",
        "unbind",
        "unflatten",
        "unsqueeze",
        "view",
        "view_as",
        "where",
    }
)
"""Operations that change the form, the dtype or the range only: a line of the drawing leads through them."""

MADE = frozenset(
    {
        "arange",
        "empty",
        "empty_like",
        "eye",
        "full",
        "full_like",
        "linspace",
        "new_empty",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones",
        "ones_like",
        "rand_like",
        "randn_like",
        "scalar_tensor",
        "zeros",
        "zeros_like",
    }
)
"""Operations whose result depends on no value."""


class Call(NamedTuple):
    """One call of a function while a mechanism was recorded."""

    module: str
    function: str
    number: int


@dataclass(frozen=True, eq=False)
class Operations:
    """The operations of one forward pass.

    Attributes:
        nodes: in their order.
        origins: for each node whether its values depend on the features, on parameters only, or are fixed.
        maps: the nodes at which a map passes a tap, with the tap's path and the tap.
        features: the nodes of the features, x first.
        y: the node of the result.
        second: the shape of each node's result in another run, by the node's name.
        sizes: the words for shapes.
        house: the packages whose modules the recorded one shares with others.
    """

    nodes: tuple[Node, ...]
    origins: Mapping[Node, str]
    maps: Mapping[Node, tuple[str, Tap]]
    features: tuple[Node, ...]
    y: Node
    second: Mapping[str, tuple[int, ...]]
    sizes: Sizes
    house: frozenset[str]

    def shares(self, module: str) -> bool:
        """Returns whether a Python module is one that several mechanisms share."""
        return _is_shared(module, self.house)

    def pairs(self, node: Node) -> tuple[Pair, ...]:
        """Each size of a node's result in both runs."""
        first = shape_of(node)
        return tuple(zip(first, self.second.get(node.name, first), strict=True))

    def part_of(self, node: Node, whole: Node) -> bool:
        """Returns whether a node's result has fewer values than that of another from which it was taken."""
        few, many = (math.prod(a for a, _ in self.pairs(n)) for n in (node, whole))
        return bool(shape_of(whole)) and few < many

    def words(self, node: Node) -> str:
        """The shape of a node's result in words."""
        first = shape_of(node)
        return self.sizes.shape(first, self.second.get(node.name, first))


def record(
    modules: tuple[Mechanism, Mechanism], inputs: tuple[tuple[Tensor, ...], tuple[Tensor, ...]], dims: int
) -> Operations:
    """Records a forward pass of two modules that differ in their channels, in evaluation mode."""
    house = house_of(type(modules[0]))
    first, second = (_export(module, given, house) for module, given in zip(modules, inputs, strict=True))
    nodes = tuple(first.graph.nodes)
    others = tuple(second.graph.nodes)
    alike = len(nodes) == len(others) and all(
        str(a.target) == str(b.target) or a.op != "call_function" for a, b in zip(nodes, others, strict=True)
    )
    kinds = {spec.arg.name: spec.kind for spec in first.graph_signature.input_specs if hasattr(spec.arg, "name")}
    features = tuple(n for n in nodes if n.op == "placeholder" and kinds.get(n.name) == InputKind.USER_INPUT)
    found = taps(modules[0])
    maps = {}
    for node in nodes:
        path = _module_of(node)
        if path in found and operation(node) == "clone":
            maps[node] = (path, found[path])
    output = next(n for n in nodes if n.op == "output").args[0]
    assert isinstance(output, tuple | list)
    y = output[0]  # the value of a sample
    assert isinstance(y, Node)
    shapes = {a.name: shape_of(b) for a, b in zip(nodes, others, strict=True)} if alike else {}
    origins = _origins(nodes, features, kinds)
    return Operations(nodes, origins, maps, features, y, shapes, Sizes.of(dims), house)


def house_of(mechanism: type[Mechanism]) -> frozenset[str]:
    """The packages above the one in which a mechanism's file lies: their own modules serve several families.

    >>> from regard.attention import find
    >>> sorted(house_of(find("se")))
    ['regard', 'regard.attention']
    """
    parts = mechanism.__module__.split(".")
    return frozenset(".".join(parts[:i]) for i in range(1, len(parts) - 1))


def _is_shared(module: str, house: frozenset[str]) -> bool:
    return module.rpartition(".")[0] in house


def operation(node: Node) -> str:
    """The name of a node's operation, without overload and `in place`: `conv2d`, `add`."""
    if node.op != "call_function":
        return node.op
    if node.target is operator.getitem:
        return "getitem"
    name = str(node.target).removeprefix("aten.").partition(".")[0]
    return name.rstrip("_") or name


def shape_of(node: Node) -> tuple[int, ...]:
    """The shape of a node's result; of several results none."""
    value = node.meta.get("val")
    return tuple(int(n) for n in value.shape) if isinstance(value, Tensor) else ()


def operands(node: Node) -> list[Node]:
    """The nodes that it reads, in their order, those in lists too."""
    found: list[Node] = []
    for argument in node.args:
        found += [a for a in argument if isinstance(a, Node)] if isinstance(argument, list | tuple) else []
        found += [argument] if isinstance(argument, Node) else []
    return found + [a for a in node.kwargs.values() if isinstance(a, Node)]


def is_mask(node: Node) -> bool:
    """Returns whether its values are true or false."""
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.dtype == torch.bool


def _export(module: Mechanism, inputs: tuple[Tensor, ...], house: frozenset[str]) -> ExportedProgram:
    watched = taps(module)
    for tap in watched.values():
        tap.replace = torch.clone
    try:
        with warnings.catch_warnings(), torch.no_grad(), preserve_node_meta(), _Callers(house):
            warnings.simplefilter("ignore")
            return torch.export.export(module.eval(), inputs, strict=False)
    finally:
        for tap in watched.values():
            tap.replace = None


class _Callers(TorchFunctionMode):
    """Notes for each operation the shared functions that called it, outermost first."""

    def __init__(self, house: frozenset[str]) -> None:
        super().__init__()
        self._house = house
        self._frames: list[FrameType] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls the function, its operations marked with the calls that led to it."""
        calls: list[Call] = []
        frame = sys._getframe(1)
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if _is_shared(module, self._house):
                calls.append(Call(module, frame.f_code.co_name, self._number(frame)))
            frame = frame.f_back  # type: ignore[assignment]
        with annotate({"calls": tuple(reversed(calls))}):
            return func(*args, **(kwargs or {}))

    def _number(self, frame: FrameType) -> int:
        """A number for each call; frames are kept, so that none reuses the id of an earlier one."""
        for number, known in enumerate(self._frames):
            if known is frame:
                return number
        self._frames.append(frame)
        return len(self._frames) - 1


def calls_of(node: Node) -> tuple[Call, ...]:
    """The calls of shared functions that led to an operation, outermost first."""
    return tuple(node.meta.get("custom", {}).get("calls", ()))


def modules_of(node: Node) -> tuple[tuple[str, str], ...]:
    """The path and the class of the modules in which an operation was recorded, outermost first."""
    stack: Mapping[str, Any] = node.meta.get("nn_module_stack", {})
    return tuple((str(path), str(kind)) for path, kind in stack.values())


def _module_of(node: Node) -> str:
    """The path of the innermost module in which a node was recorded."""
    stack = modules_of(node)
    return stack[-1][0] if stack else ""


def _origins(nodes: tuple[Node, ...], features: tuple[Node, ...], kinds: Mapping[str, InputKind]) -> dict[Node, str]:
    origins: dict[Node, str] = {}
    for node in nodes:
        if node.op == "placeholder":
            learned = kinds.get(node.name) == InputKind.PARAMETER
            origins[node] = FEATURES if node in features else LEARNED if learned else FIXED
        elif node.op != "call_function" or operation(node) in MADE or is_mask(node):
            origins[node] = FIXED
        else:
            found = {origins[n] for n in operands(node)}
            origins[node] = FEATURES if FEATURES in found else LEARNED if LEARNED in found else FIXED
    return origins
