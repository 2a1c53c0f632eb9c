"""The module as a graph: compiled, exported, in ONNX."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from regard.testing.comparison import agree, largest
from regard.testing.outcomes import CheckSkippedError, during
from regard.testing.subject import Subject, run, run_backward
from regard.testing.tolerance import allowed_difference, longest_sum

Sizes = Mapping[int, tuple[tuple[int, ...], ...]]

NEEDED = ("onnx", "onnxscript", "onnxruntime")
"""What the check `onnx` imports."""

TRACED: Sizes = {1: ((6,), (8,)), 2: ((6, 8), (8, 8)), 3: ((4, 3, 5), (4, 4, 4))}
"""Sizes to trace at, by dims: the first of them that the module takes."""

OTHERS: Sizes = {1: ((9,), (1,)), 2: ((5, 9), (9, 9), (1, 1)), 3: ((3, 6, 2), (1, 1, 1))}
"""Sizes to run what was traced at."""


def compile(subject: Subject) -> None:
    """`torch.compile(fullgraph=True)` captures it in one graph, with the same y and gradients at every size."""
    _compile(subject, "aot_eager")


def compile_inductor(subject: Subject) -> None:
    """The code that inductor makes of it gives the same y and gradients (about 15 seconds)."""
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler

        get_cpp_compiler()
    except Exception as error:
        raise CheckSkippedError("There is no C++ compiler, which inductor needs on the CPU.") from error
    _compile(subject, "inductor")


def export(subject: Subject) -> None:
    """`torch.export` captures it with any batch and size."""
    module, inputs, shapes = _to_trace(subject)
    with during(f"torch.export with dynamic batch and size, from x {tuple(inputs[0].shape)}"), torch.no_grad():
        program = torch.export.export(module, inputs, dynamic_shapes=shapes).module()
    _runs_like(subject, module, program, "the exported program")


def onnx(subject: Subject) -> None:
    """ONNX, exported with any batch and size, gives the same y in onnxruntime."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise CheckSkippedError(f"{', '.join(missing)} is not installed: pip install 'regard[onnx]'.")
    import onnxruntime

    module, inputs, shapes = _to_trace(subject)
    with during(f"torch.onnx.export with dynamic batch and size, from x {tuple(inputs[0].shape)}"), torch.no_grad():
        program = torch.onnx.export(module, inputs, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert program is not None
    with during("onnxruntime"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    names = [given.name for given in session.get_inputs()]

    def graph(*inputs: Tensor) -> Tensor:
        feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    _runs_like(subject, module, graph, "the ONNX graph")


@contextmanager
def compiled(module: nn.Module, backend: str) -> Iterator[nn.Module]:
    """The module compiled as one graph; afterwards the compiler has forgotten it."""
    torch._dynamo.reset()
    try:
        quick: Any = torch.compile(module, fullgraph=True, backend=backend)
        yield quick
    finally:
        torch._dynamo.reset()


def _compile(subject: Subject, backend: str) -> None:
    traced, other = _taken(subject, TRACED)[:1], _taken(subject, OTHERS)[:1]
    for training, sizes in ((True, traced + other), (False, traced)):
        eager, module = (subject.stirred().train(training) for _ in range(2))
        with compiled(module, backend) as quick:
            for batch, size in enumerate(sizes, 2):
                inputs = subject.inputs(size, batch=batch)
                what = f"compiled with {backend} in {'training' if training else 'evaluation'}: "
                what += f"x {tuple(inputs[0].shape)}"
                want, wanted = run_backward(eager, inputs)
                with during(what):
                    got, gradients = run_backward(quick, inputs)
                allowed = allowed_difference(torch.float32, longest_sum(eager, inputs))
                agree(got, want, allowed, f"{what}: a value of y")
                scale = max(largest(gradient) for gradient in wanted.values() if gradient is not None)
                for name, gradient in wanted.items():
                    other = gradients["x" if name == "x" else f"_orig_mod.{name}"]
                    if gradient is not None and other is not None:
                        agree(other, gradient, allowed, f"{what}: a value of the gradient of {name}", scale=scale)


def _to_trace(subject: Subject) -> tuple[nn.Module, tuple[Tensor, ...], tuple[dict[int, object], ...]]:
    """The module in evaluation, inputs to trace it with, and their axes that may have any size."""
    module = subject.stirred().eval()
    inputs = subject.inputs(_taken(subject, TRACED)[0])
    shapes = tuple({axis: Dim.DYNAMIC for axis in (0, *range(2, x.ndim))} for x in inputs)
    return module, inputs, shapes


def _runs_like(subject: Subject, module: nn.Module, graph: Callable[..., Tensor], what: str) -> None:
    sizes = _taken(subject, TRACED)[:1] + _taken(subject, OTHERS)
    for batch, size in zip((2, 3, 1, 1), sizes, strict=False):
        inputs = subject.inputs(size, batch=batch, draw=1)
        with during(f"{what} on x {tuple(inputs[0].shape)}"), torch.no_grad():
            got, want = graph(*inputs), run(module, inputs)
        allowed = allowed_difference(torch.float32, longest_sum(module, inputs))
        agree(got, want, allowed, f"a value of y of {what} for x {tuple(inputs[0].shape)}")


def _taken(subject: Subject, sizes: Sizes) -> tuple[tuple[int, ...], ...]:
    return subject.sizes(*sizes[subject.main_dims])
