"""The graph of an ONNX file, simplified: constants folded, biases joined, squeeze-and-excitation recognised.

Only operators that the networks of this benchmark use are known; any other is an error that names it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from benchmarks.pretrained.operators import FUNCTIONS, LAYERS
from regard.core.errors import CheckpointError

GATES = ("HardSigmoid", "Sigmoid")
"""Operators that make a gate; known in a squeeze-and-excitation only."""

OLDEST = 11
"""The oldest operator set in which bounds and slices are inputs, as they are read here."""


@dataclass(frozen=True)
class Node:
    """One operator with one result.

    Attributes:
        kind: the operator's name in ONNX, or `SE` for a recognised squeeze-and-excitation.
        inputs: the names of its inputs, constants included.
        output: the name of its result.
        options: its attributes; of `SE`: `gate`, the name of the gate in the file, `squash`, and `slope` and `offset`
            of a hard sigmoid.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """A classifier without its last softmax.

    Attributes:
        nodes: in an order in which they can be computed.
        constants: by name.
        input: the name of the images.
        output: the name of the logits.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    input: str
    output: str

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of the gates in the file, in the order of the network."""
        return tuple(node.options["gate"] for node in self.nodes if node.kind == "SE")


def read_graph(path: Path) -> Graph:
    """Reads an ONNX file of one input and one output.

    Raises:
        CheckpointError: the file is none, has several inputs or outputs, or an operator that is not known.
    """
    try:
        model = onnx.load(path)
    except Exception as error:
        raise CheckpointError(f"{path} is no ONNX file that can be read ({error}): name a .onnx file.") from error
    found = model.graph
    if any(entry.domain in ("", "ai.onnx") and entry.version < OLDEST for entry in model.opset_import):
        raise CheckpointError(
            f"{path} has an operator set before {OLDEST}, whose operators have other inputs: convert it first."
        )
    constants = {tensor.name: _to_tensor(tensor) for tensor in found.initializer}
    inputs = [value.name for value in found.input if value.name not in constants]
    if len(inputs) != 1 or len(found.output) != 1:
        raise CheckpointError(
            f"{path} has {len(inputs)} inputs and {len(found.output)} outputs; it must have one of each, "
            "the images and the scores."
        )
    nodes, names = _simplify(found.node, constants, path)
    output = names.get(found.output[0].name, found.output[0].name)
    if nodes and (nodes[-1].kind, nodes[-1].output) == ("Softmax", output):
        output = nodes.pop().inputs[0]
    nodes = _join_gates(_join_biases(nodes, constants, output))
    for node in nodes:
        if node.kind in GATES:
            raise CheckpointError(
                f"{path}: the {node.kind} that makes {node.output!r} is no gate of a squeeze-and-excitation."
            )
    used = {name for node in nodes for name in node.inputs}
    return Graph(tuple(nodes), {n: c for n, c in constants.items() if n in used}, inputs[0], output)


def _to_tensor(tensor: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(tensor).copy())


def _simplify(nodes: Any, constants: dict[str, Tensor], path: Path) -> tuple[list[Node], dict[str, str]]:
    """The nodes that depend on the input, and other names of results; adds to the constants what is none of them."""
    kept: list[Node] = []
    names: dict[str, str] = {}
    for proto in nodes:
        options = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute}
        inputs = tuple(names.get(name, name) for name in proto.input if name)
        if proto.op_type == "Constant":
            constants[proto.output[0]] = _to_tensor(options["value"])
        elif proto.op_type == "Identity":
            names[proto.output[0]] = inputs[0]
        elif proto.op_type not in FUNCTIONS and proto.op_type not in LAYERS and proto.op_type not in GATES:
            raise CheckpointError(
                f"{path} has the operator {proto.op_type!r}, which is not known here; known are "
                f"{', '.join(sorted({*FUNCTIONS, *LAYERS, *GATES}))}."
            )
        elif proto.op_type in FUNCTIONS and all(name in constants for name in inputs):
            constants[proto.output[0]] = FUNCTIONS[proto.op_type](*(constants[name] for name in inputs), **options)
        else:
            kept.append(Node(proto.op_type, inputs, proto.output[0], options))
    return kept, names


def _join_biases(nodes: list[Node], constants: dict[str, Tensor], output: str) -> list[Node]:
    """Joins the addition of one constant a channel with the convolution or matrix product before it."""
    producers = {node.output: node for node in nodes}
    uses = Counter(name for node in nodes for name in node.inputs)
    joined: dict[str, Node] = {}
    dropped = set()
    for node in nodes:
        if node.kind != "Add" or len(node.inputs) != 2:
            continue
        for result, bias in (node.inputs, node.inputs[::-1]):
            before = producers.get(result)
            if before is None or before.kind not in ("Conv", "MatMul") or len(before.inputs) != 2:
                continue
            weight = constants.get(before.inputs[1])
            if weight is None or bias not in constants or uses[result] != 1 or result == output:
                continue
            if _is_bias(constants[bias], weight, before.kind):
                constants[bias] = constants[bias].flatten()
                joined[node.output] = replace(before, inputs=(*before.inputs, bias), output=node.output)
                dropped.add(result)
    return [joined.get(node.output, node) for node in nodes if node.output not in dropped]


def _is_bias(constant: Tensor, weight: Tensor, kind: str) -> bool:
    channels, trailing = (len(weight), 2) if kind == "Conv" else (weight.shape[1], 0)
    shape = (channels, *(1,) * trailing)
    return constant.numel() == channels and constant.shape[-len(shape) :] == shape


def _join_gates(nodes: list[Node]) -> list[Node]:
    """Replaces every squeeze-and-excitation by one node `SE` of x and the weights and biases of both layers."""
    producers = {node.output: node for node in nodes}
    uses = Counter(name for node in nodes for name in node.inputs)
    joined: dict[str, Node] = {}
    dropped: set[str] = set()
    for node in nodes:
        if node.kind != "Mul":
            continue
        for x, gate in (node.inputs, node.inputs[::-1]):
            chain = _chain(gate, producers)
            if chain is None or chain[-1].inputs[0] != x or any(uses[one.output] != 1 for one in chain):
                continue
            squash, expand, _, reduce, _ = chain
            options = {"gate": gate, "squash": squash.kind, "slope": squash.options.get("alpha", 0.2)}
            options["offset"] = squash.options.get("beta", 0.5)
            weights = (*reduce.inputs[1:], *expand.inputs[1:])
            joined[node.output] = Node("SE", (x, *weights), node.output, options)
            dropped |= {one.output for one in chain}
    return [joined.get(node.output, node) for node in nodes if node.output not in dropped]


def _chain(gate: str, producers: Mapping[str, Node]) -> list[Node] | None:
    """The five nodes from a gate back to the mean over positions, or None where it is made otherwise."""
    wanted = (GATES, ("Conv",), ("Relu",), ("Conv",), ("GlobalAveragePool",))
    chain = []
    for kinds in wanted:
        node = producers.get(gate)
        if node is None or node.kind not in kinds:
            return None
        if node.kind == "Conv" and (set(node.options.get("kernel_shape", ())) != {1} or len(node.inputs) != 3):
            return None
        chain.append(node)
        gate = node.inputs[0]
    return chain
