"""The module as a graph: compiled, exported, in ONNX."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from regard.testing.comparison import agree, largest
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, during
from regard.testing.subject import Subject, run, run_backward
from regard.testing.tolerance import allowed_difference, longest_sum

Sizes = Mapping[int, tuple[tuple[int, ...], ...]]

NEEDED = ("onnx", "onnxscript", "onnxruntime")
"""Packages that the check `onnx` imports."""

TRACED: Sizes = {1: ((6,), (8,)), 2: ((6, 8), (8, 8)), 3: ((4, 3, 5), (4, 4, 4))}
"""Sizes to trace at, by dims: the first of them that the module takes."""

OTHERS: Sizes = {1: ((9,), (1,)), 2: ((5, 9), (9, 9), (1, 1)), 3: ((3, 6, 2), (1, 1, 1))}
"""Sizes to run it at afterwards."""

BATCHES = (8, 5)
"""Batches to train with: a normalisation over two images would turn roundings into differences."""

REFEREED = 16
"""The largest error of the compiled module against float64, in multiples of the eager module's."""


def compile(subject: Subject) -> None:
    """`torch.compile(fullgraph=True)` captures it in one graph, with the same y and gradients at every size."""
    compare_compiled(subject, "aot_eager", True, _at_two_sizes(subject), dynamic=None)
    if _trains_otherwise(subject):
        compare_compiled(subject, "aot_eager", False, _at_two_sizes(subject)[:1], dynamic=None)


def compile_inductor(subject: Subject) -> None:
    """The code that inductor makes of it for training gives the same y and gradients (about 15 seconds)."""
    try:
        if subject.device.type == "cpu":
            from torch._inductor.cpp_builder import get_cpp_compiler

            get_cpp_compiler()
        else:
            import triton  # noqa: F401
    except Exception as error:
        needed = "C++ compiler" if subject.device.type == "cpu" else "Triton"
        raise CheckSkippedError(f"There is no {needed}, which inductor needs on this device.") from error
    compare_compiled(subject, "inductor", True, _at_two_sizes(subject), dynamic=True)


def export(subject: Subject) -> None:
    """`torch.export` captures it with any batch and size, from the size on that its facts name."""
    module, inputs, shapes = _to_trace(subject)
    with during(f"torch.export with dynamic batch and size, from x {tuple(inputs[0].shape)}"), torch.no_grad():
        program = torch.export.export(module, inputs, dynamic_shapes=shapes).module()
    _runs_like(subject, module, program, "the exported program", subject.facts.exported_from if subject.facts else 1)


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
        feed = {name: x.cpu().numpy() for name, x in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    _runs_like(subject, module, graph, "the ONNX graph")


@contextmanager
def compile_module(module: nn.Module, backend: str, dynamic: bool | None = None) -> Iterator[nn.Module]:
    """The module compiled as one graph; afterwards the compiler has forgotten it.

    Args:
        module: the module to compile.
        backend: `aot_eager` captures and differentiates the graph and runs it as it is; `inductor` makes code of it.
        dynamic: whether sizes may vary; None, as in `torch.compile`, finds out when a second size comes.
    """
    torch._dynamo.reset()
    try:
        quick: Any = torch.compile(module, fullgraph=True, backend=backend, dynamic=dynamic)
        yield quick
    finally:
        torch._dynamo.reset()


def compare_compiled(
    subject: Subject, backend: str, training: bool, sizes: list[tuple[int, ...]], dynamic: bool | None
) -> None:
    """Compares y and every gradient of the compiled module with those of the module as it is, at each size in turn.

    Where they lie further apart than roundings of the result explain (gradients that cancel in a normalisation do),
    float64 judges: the compiled number may be `REFEREED` times as wrong as the other.
    """
    eager, module = (subject.stir().train(training) for _ in range(2))
    with compile_module(module, backend, dynamic) as quick:
        for batch, size in zip(BATCHES, sizes, strict=False):
            inputs = subject.inputs(size, batch=batch)
            mode = "training" if training else "evaluation"
            what = f"compiled with {backend} in {mode}: x {tuple(inputs[0].shape)}"
            want = _by_name(eager, inputs)
            with during(what):
                got = _by_name(quick, inputs)
            try:
                _same(got, want, allowed_difference(torch.float32, longest_sum(eager, inputs)), what)
            except CheckFailedError as failed:
                try:
                    exact = _by_name(
                        subject.stir().train(training).double(),
                        tuple(v.double() if v.is_floating_point() else v for v in inputs),
                    )
                except Exception:
                    raise failed from None
                _no_worse(got, want, exact, failed)


def _trains_otherwise(subject: Subject) -> bool:
    """True if y differs between training and evaluation, so that each has a graph of its own."""
    inputs = subject.inputs(_at_two_sizes(subject)[0], batch=BATCHES[0])
    with torch.no_grad():
        trained, evaluated = (run(subject.stir().train(mode), inputs) for mode in (True, False))
    return not torch.equal(trained, evaluated)


def _by_name(module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """`y`, and the gradient of x and of every parameter that has one."""
    y, gradients = run_backward(module, inputs)
    named = {name.removeprefix("_orig_mod."): gradient for name, gradient in gradients.items()}
    return {"y": y} | {f"the gradient of {name}": g for name, g in named.items() if g is not None}


def _same(got: dict[str, Tensor], want: dict[str, Tensor], allowed: float, what: str) -> None:
    scale = max((largest(values) for name, values in want.items() if name != "y"), default=0.0)
    for name, values in want.items():
        other = got.get(name, torch.full_like(values, torch.nan))
        agree(other, values, allowed, f"{what}: a value of {name}", scale=None if name == "y" else scale)


def _no_worse(
    got: dict[str, Tensor], want: dict[str, Tensor], exact: dict[str, Tensor], failed: CheckFailedError
) -> None:
    """Raises `failed` unless each of `got` lies `REFEREED` times as far from `exact` as the same of `want`, at most."""
    for name, values in exact.items():
        if name not in got or name not in want:
            raise failed
        error, other = (float((numbers.double() - values).abs().max()) for numbers in (want[name], got[name]))
        if not other <= REFEREED * max(error, torch.finfo(torch.float32).eps * largest(values)):
            raise failed


def _to_trace(subject: Subject) -> tuple[nn.Module, tuple[Tensor, ...], tuple[dict[int, object], ...]]:
    """The module in evaluation, inputs to trace it with, and their axes that may have any size."""
    module = subject.stir().eval()
    inputs = subject.inputs(_accepted_sizes(subject, TRACED)[0])
    shapes = tuple({axis: Dim.DYNAMIC for axis in (0, *range(2, x.ndim))} for x in inputs)
    return module, inputs, shapes


def _runs_like(subject: Subject, module: nn.Module, graph: Callable[..., Tensor], what: str, smallest: int = 1) -> None:
    sizes = [
        size
        for size in _accepted_sizes(subject, TRACED)[:1] + _accepted_sizes(subject, OTHERS)
        if min(size) >= smallest
    ]
    for batch, size in [(2 + number % 2, size) for number, size in enumerate(sizes)] + [(1, sizes[-1])]:
        if not subject.takes(size, batch):
            continue
        inputs = subject.inputs(size, batch=batch, draw=1)
        with during(f"{what} on x {tuple(inputs[0].shape)}"), torch.no_grad():
            got, want = graph(*inputs), run(module, inputs)
        allowed = allowed_difference(torch.float32, longest_sum(module, inputs))
        agree(got, want, allowed, f"a value of y of {what} for x {tuple(inputs[0].shape)}")


def _at_two_sizes(subject: Subject) -> list[tuple[int, ...]]:
    return _accepted_sizes(subject, TRACED)[:1] + _accepted_sizes(subject, OTHERS)[:1]


def _accepted_sizes(subject: Subject, sizes: Sizes) -> list[tuple[int, ...]]:
    return [size for size in sizes[subject.main_dims] if subject.takes(size)]
