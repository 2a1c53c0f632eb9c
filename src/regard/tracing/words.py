"""The words for an operation: `3×3 convolution, dilation 4`, `mean over positions`, `softmax over branches`."""

from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from regard.tracing.operations import FIXED, LEARNED, Operations, is_mask, operands, operation, shape_of
from regard.tracing.sizes import Pair

TAILS = {
    "relu": "relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "elu": "elu",
    "prelu": "prelu",
    "leaky_relu": "leaky relu",
    "hardsigmoid": "hard sigmoid",
    "hardswish": "hard swish",
    "hardtanh": "clip",
    "softplus": "softplus",
    "exp": "exp",
    "log": "log",
    "sqrt": "square root",
    "rsqrt": "1 ÷ square root",
    "reciprocal": "1 ÷",
    "abs": "absolute value",
    "square": "square",
    "neg": "negative",
    "sin": "sine",
    "cos": "cosine",
    "batch_norm": "batch norm",
    "layer_norm": "layer norm",
    "group_norm": "group norm",
    "instance_norm": "instance norm",
    "rms_norm": "RMS norm",
}
"""Operations that are written below the one they follow, in one box."""

SIGNS = {"add": "+", "sub": "−", "rsub": "−", "mul": "×", "div": "÷"}

REDUCTIONS = {
    "mean": "mean",
    "sum": "sum",
    "amax": "max",
    "max": "max",
    "amin": "min",
    "var": "variance",
    "std": "standard deviation",
    "linalg_vector_norm": "length",
    "norm": "length",
    "logsumexp": "log-sum-exp",
    "argmax": "argmax",
}

PRODUCTS = frozenset({"matmul", "bmm", "mm", "baddbmm", "einsum", "addmm"})

OTHERS = {
    "maximum": "larger of both",
    "minimum": "smaller of both",
    "cat": "concatenate",
    "stack": "concatenate",
    "grid_sampler": "sample at the grid",
    "grid_sampler_2d": "sample at the grid",
    "grid_sampler_3d": "sample at the grid",
    "scaled_dot_product_attention": "dot-product attention",
    "gather": "pick",
    "index": "pick",
    "index_select": "pick",
    "topk": "the largest",
    "roll": "shift",
    "flip": "flip",
    "unfold": "neighbourhoods",
    "im2col": "neighbourhoods",
    "cumsum": "running sum",
    "pixel_shuffle": "pixel shuffle",
}


@dataclass(frozen=True)
class Words:
    """The words for one operation.

    Attributes:
        text: the words, or the sign of a join.
        joins: whether it is a sign between several operands.
        tail: whether it is written under the operation before.
    """

    text: str
    joins: bool = False
    tail: bool = False


def words_of(node: Node, kept: list[Node], operations: Operations) -> Words | None:
    """The words for a node; None for one that a reader need not see.

    Args:
        node: an operation.
        kept: its operands that the drawing shows.
        operations: all of them.
    """
    name = operation(node)
    if name in SIGNS:
        return _arithmetic(node, name, kept, operations)
    if name in TAILS:
        return Words(TAILS[name], tail=True)
    if name in ("softmax", "_softmax", "log_softmax"):
        axis = operations.pairs(node)[int(_argument(node, 1, "dim"))]
        return Words(f"softmax {over([axis], operations)}", tail=True)
    if name in REDUCTIONS:
        return Words(_reduction(node, name, operations))
    if name.startswith("conv"):
        return Words(_convolution(node, kept, operations))
    if name == "linear":
        return Words("linear")
    if name in PRODUCTS:
        return _product(node, kept, operations)
    if "pool" in name or name.startswith("upsample") or name == "interpolate":
        return Words(_pooling(node, name, operations))
    if name == "pow":
        power = _argument(node, 1, "exponent")
        return Words({2: "square", 0.5: "square root", -1: "1 ÷"}.get(power, f"power {power}"), tail=True)
    if name in ("index", "index_select", "gather") and len(kept) == 1:
        return None
    return Words(OTHERS.get(name, name.strip("_").replace("_", " ")))


def over(axes: list[Pair], operations: Operations) -> str:
    """`over positions`, `over channels`, `over h`, or the sizes of the axes."""
    sizes = operations.sizes
    axes = [pair for pair in axes if pair != (1, 1)] or axes
    positions = sizes.positions(axes)
    if positions:
        return f"over {positions}"
    if len(axes) == 1 and sizes.is_channels(axes[0]):
        return "over channels"
    return "over " + " × ".join(sizes.word(pair) for pair in axes)


def _arithmetic(node: Node, name: str, kept: list[Node], operations: Operations) -> Words | None:
    if len(kept) > 1:
        same = kept[0] is kept[1] and len(kept) == 2
        return Words("square", tail=True) if same and name == "mul" else Words(SIGNS[name], joins=True)
    others = [argument for argument in node.args[:2] if argument is not kept[0]]
    other = others[0] if others else kept[0]
    if isinstance(other, Node):
        if len(shape_of(other)) == 0 and operations.origins[other] == FIXED:
            return None
        if is_mask(other):
            return None
        learned = operations.origins[other] == LEARNED
        what = {"mul": "scale", "div": "scale"}.get(name, "shift")
        return Words(f"learned {what}" if learned else f"fixed {what}", tail=True)
    first = node.args[0] is not kept[0]
    if name == "add" and abs(float(other)) > 1e-3:  # type: ignore[arg-type]
        return Words(f"+ {other:g}", tail=True)
    if name == "rsub" or (name == "sub" and first):
        return Words(f"{other:g} −", tail=True)
    if name == "sub":
        return Words(f"− {other:g}", tail=True)
    return Words(f"{other:g} ÷", tail=True) if name == "div" and first else None


def _reduction(node: Node, name: str, operations: Operations) -> str:
    pairs = operations.pairs(operands(node)[0])
    axes = _argument(node, 2 if "norm" in name else 1, "dim")
    chosen = range(len(pairs)) if axes is None else [axes] if isinstance(axes, int) else axes
    return f"{REDUCTIONS[name]} {over([pairs[axis] for axis in chosen], operations)}"


def _convolution(node: Node, kept: list[Node], operations: Operations) -> str:
    x, weight = operands(node)[:2]
    stride, dilation, groups = (_argument(node, i, key) for i, key in ((3, "stride"), (5, "dilation"), (6, "groups")))
    kernel, width = shape_of(weight)[2:], shape_of(x)[1]
    text = f"{'×'.join(map(str, kernel))} convolution"
    if len(kernel) == 1:
        along = over([operations.pairs(x)[-1]], operations).replace("over", "along")
        text = "linear" if kernel == (1,) else f"convolution of {kernel[0]} {along}"
    text = f"transposed {text}" if "transpose" in operation(node) else text
    if weight in kept:
        return f"{text} with these kernels" if len(kept) > 1 else text
    if groups and groups > 1:
        text = f"depthwise {text}" if groups == width else f"{text}, {operations.sizes.word((groups, groups))} groups"
    if text == "depthwise linear":
        return "learned scale"
    for name, value in (("dilation", dilation), ("stride", stride)):
        value = max(value) if isinstance(value, list | tuple) and value else value or 1
        text += f", {name} {value}" if value != 1 else ""
    return text


def _product(node: Node, kept: list[Node], operations: Operations) -> Words:
    if len(kept) > 1:
        return Words("matrix product")
    rest = [n for n in operands(node) if n not in kept]
    if any(operations.origins[n] == LEARNED for n in rest):
        return Words("linear")
    before, after = (operations.words(n) for n in (kept[0], node))
    return Words("fixed matrix" if before == after else "resize")


def _pooling(node: Node, name: str, operations: Operations) -> str:
    if name.startswith("adaptive") or "global" in name:
        kind = "max" if "max" in name else "average"
        return f"{kind} to {operations.words(node)}"
    if name.startswith("upsample") or name == "interpolate":
        return "resize"
    kernel = _argument(node, 1, "kernel_size")
    stride = _argument(node, 2, "stride") or kernel
    kernel = kernel if isinstance(kernel, list | tuple) else [kernel]
    stride = max(stride) if isinstance(stride, list | tuple) else stride
    kind = "max" if "max" in name else "average"
    return f"{kind} of {'×'.join(map(str, kernel))}" + (f", stride {stride}" if stride != 1 else "")


def _argument(node: Node, index: int, name: str) -> Any:
    return node.args[index] if len(node.args) > index else node.kwargs.get(name)
