"""The graph of a trained network, captured for a file: from images to logits, with normalisation on request."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from regard.core import logits_of
from regard.core.errors import ExportError
from regard.recipes.network import Loaded

INPUT, OUTPUT = "images", "logits"
"""Names of the input and the output in the graph."""

AXES = {0: "batch", 2: "height", 3: "width"}
"""Names of the axes of the input that may be free."""

_TALKERS = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir", "torch._dynamo")


class Exportable(nn.Module):
    """A network from images (b, c, h, w) to logits (b, k), without samples and other outputs.

    Args:
        net: the network, in evaluation mode.
        normalise: module from uint8 images to its input; None if the input is normalised already.
    """

    def __init__(self, net: nn.Module, normalise: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net
        self.normalise = normalise
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits (b, k)."""
        return logits_of(self.net(images if self.normalise is None else self.normalise(images)))


def exportable(loaded: Loaded, *, preprocessing: bool) -> Exportable:
    """Returns the network of a run as it is exported.

    Args:
        loaded: the network with its preprocessing.
        preprocessing: take uint8 images and normalise them inside.
    """
    return Exportable(loaded.net, loaded.preprocessing.normalise() if preprocessing else None)


def capture(module: Exportable, images: Tensor, *, free: bool) -> ExportedProgram:
    """Captures a graph that takes batches of any length.

    Args:
        module: the network.
        images: two or more, to capture it with.
        free: leave height and width free where the network's code does; otherwise they are those of `images`.

    Raises:
        ExportError: the network's code cannot be captured, or only for one length of the batch.
    """
    side = Dim.AUTO if free else Dim.STATIC
    try:
        with torch.no_grad(), quiet():
            program = torch.export.export(module, (images,), dynamic_shapes=({0: Dim.DYNAMIC, 2: side, 3: side},))
    except Exception as error:  # the network may be anybody's code
        raise ExportError(
            f"torch.export cannot capture the network for {tuple(images.shape)}: {reason(error)}. The code of the "
            "network must not depend on the values of a tensor, nor on the length of a batch as a number "
            "(x.shape[0] leaves it open, len(x) does not)."
        ) from error
    forget_sources(program)
    return program


def is_free(program: ExportedProgram) -> bool:
    """Returns True if height and width of the input are free in the graph."""
    from torch.fx.experimental.symbolic_shapes import free_symbols  # loads SymPy, which takes seconds

    (name,) = program.graph_signature.user_inputs
    (given,) = (node for node in program.graph.nodes if node.name == name)
    return all(free_symbols(size) for size in given.meta["val"].shape[2:])


def forget_sources(program: ExportedProgram) -> None:
    """Removes the lines of source code from a graph: they contain paths of the machine that made it."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)


def takes(module: Exportable, images: Tensor) -> str | None:
    """Returns None if the network takes images of that size, else its reason."""
    try:
        with torch.no_grad():
            module(images)
    except Exception as error:
        return reason(error)
    return None


def reason(error: BaseException) -> str:
    """Returns the first line of the error at the bottom of a chain, at most 200 characters of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first.removesuffix(".") if len(first) <= 200 else f"{first[:199]}…"


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses the hints of PyTorch's exporters within the context."""
    loggers = [logging.getLogger(name) for name in _TALKERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
