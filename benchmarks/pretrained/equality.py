"""The comparison of a network that was read from an ONNX file with onnxruntime on the same file."""

from contextlib import nullcontext
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnx import helper
from torch import Tensor, nn

from benchmarks.pretrained.graph import read_graph
from regard.core.records import Maps
from regard.explanation import observe


def largest_differences(path: Path, net: nn.Module, images: Tensor) -> dict[str, float]:
    """The largest differences of the logits and of every gate over the images, from what onnxruntime computes.

    Args:
        path: the .onnx file.
        net: the network that was read from it.
        images: (b, c, h, w), as the network takes them.

    Returns:
        `logits` and `gates`, both absolute, and `largest_logit`, to judge the first.
    """
    graph = read_graph(path)
    wanted = [graph.output, *graph.gates]
    theirs = [torch.from_numpy(values) for values in _run(path, graph.input, wanted, images)]
    with torch.no_grad(), observe(net.eval()) if graph.gates else nullcontext(Maps()) as maps:
        logits = net(images)
    gates = [maps.one(name).values for name in maps]
    return {
        "logits": float((logits - theirs[0]).abs().max()),
        "gates": max((float((a - b).abs().max()) for a, b in zip(gates, theirs[1:], strict=True)), default=0.0),
        "largest_logit": float(theirs[0].abs().max()),
    }


def _run(path: Path, name: str, wanted: list[str], images: Tensor) -> list:
    """The values of that name that onnxruntime computes, results of the graph or not."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(helper.make_empty_tensor_value_info(one) for one in wanted if one not in known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(wanted, {name: images.numpy()})
