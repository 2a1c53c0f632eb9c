"""A classifier read from an ONNX file into PyTorch, with regard's `se` for every squeeze-and-excitation."""

from collections import Counter
from pathlib import Path

from torch import fx, nn

from benchmarks.pretrained.graph import Graph, read_graph
from benchmarks.pretrained.operators import FUNCTIONS, LAYERS


def read_network(path: Path, name: str = "Pretrained") -> nn.Module:
    """Reads a network, in evaluation mode; it returns logits: a last softmax is left out.

    Args:
        path: the .onnx file.
        name: of the class, as it stands in explanations.

    Raises:
        CheckpointError: see `read_graph`; or a layer in a form that is not known.
    """
    return build_network(read_graph(path), name)


def build_network(graph: Graph, name: str = "Pretrained") -> nn.Module:
    """The network of a graph: modules `conv1`, `norm1`, `se1` ... in their order, and calls of functions between."""
    root, made, counts = nn.Module(), fx.Graph(), Counter[str]()
    values = {graph.input: made.placeholder("images")}
    for node in graph.nodes:
        if node.kind in LAYERS:
            prefix, create = LAYERS[node.kind]
            counts[prefix] += 1
            target = f"{prefix}{counts[prefix]}"
            root.add_module(target, create([graph.constants[one] for one in node.inputs[1:]], node.options))
            values[node.output] = made.call_module(target, (values[node.inputs[0]],))
            continue
        for one in node.inputs:
            if one not in values:
                counts["constant"] += 1
                target = f"constant{counts['constant']}"
                root.register_buffer(target, graph.constants[one].clone())
                values[one] = made.get_attr(target)
        inputs = tuple(values[one] for one in node.inputs)
        values[node.output] = made.call_function(FUNCTIONS[node.kind], inputs, dict(node.options))
    made.output(values[graph.output])
    return fx.GraphModule(root, made, class_name=name).eval()
