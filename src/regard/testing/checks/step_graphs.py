"""A step of a temporal mechanism as a graph, and its copies and options."""

import copy
import pickle
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.export import Dim

from regard.core.returns import Attended, Memory
from regard.core.temporal import Temporal
from regard.testing.checks.capture import NEEDED, compile_module
from regard.testing.comparison import agree
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, brief, during
from regard.testing.sequential import SequentialSubject
from regard.testing.tolerance import allowed_difference


class Step(nn.Module):
    """A step with what is remembered as plain tensors, as a graph takes it."""

    def __init__(self, module: Temporal) -> None:
        super().__init__()
        self.module = module

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Context, weights, and the state where there is one."""
        found: Attended = self.module(query, Memory(keys, values, mask), state=state)
        return tuple(part for part in found if part is not None)


def compile(subject: SequentialSubject) -> None:
    """`torch.compile(fullgraph=True)` captures a step in one graph, with the same values and gradients at two sizes."""
    *_, module = subject.modes()
    module = module.float()
    with compile_module(module, "aot_eager") as quick:
        for draw in (0, 1):
            arguments = _of_step(subject, module, draw=draw, keys=6 - draw)
            with during("the compiled step"):
                results = [_with_gradients(way, module, arguments) for way in (quick, module)]
            for got, want in zip(*results, strict=True):
                agree(got, want, allowed_difference(torch.float32, 16), "a value of the compiled step", scale=1.0)


def onnx(subject: SequentialSubject) -> None:
    """A step in ONNX, with any batch and any number of keys, gives the same in onnxruntime, the first step too."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise CheckSkippedError(f"{', '.join(missing)} is not installed: pip install 'regard[onnx]'.")
    module = subject.module(dtype=torch.float32)
    step = Step(module).eval()
    for first in (True, False) if module.has_state else (True,):
        arguments = _of_step(subject, module, first=first)
        run = _exported(step, arguments)
        for rows, keys in ((4, 6), (3, 9), (1, 2)):
            given = _of_step(subject, module, first=first, draw=1, rows=rows, keys=keys)
            with torch.no_grad():
                want = step(*given)
            with during("onnxruntime"):
                found = run(*given)
            for got, wanted in zip(found, want, strict=True):
                agree(got, wanted, allowed_difference(torch.float32, 16), "a value of the step in ONNX", scale=1.0)


def copies(subject: SequentialSubject) -> None:
    """A deep copy, a pickle and a loaded state dict give the same, after a training step too."""
    module, given = subject.module(), subject.given()
    module(given.query, given.keys, given.values.requires_grad_(), mask=given.mask).context.sum().backward()
    other = subject.module(draw=1)
    other.load_state_dict(module.state_dict())
    want = module(given.query, given.keys, given.values, mask=given.mask).context
    with during("copying or pickling it"):
        twins = {"copy": copy.deepcopy(module), "pickle": pickle.loads(pickle.dumps(module)), "state dict": other}
    for name, twin in twins.items():
        got = twin(given.query, given.keys, given.values, mask=given.mask).context
        agree(got, want, 0.0, f"a value of the context after the {name}")


def options(subject: SequentialSubject) -> None:
    """A misspelt option is refused, and the number of parameters is that of the formula in the facts."""
    if subject.builds is None:
        raise CheckSkippedError("It builds modules, so it needs the class or a function instead of an instance.")
    try:
        subject.builds(subject.query_size, subject.key_size, an_option_that_nobody_has=1)
    except (TypeError, ValueError):
        pass
    except Exception as error:
        raise CheckFailedError(f"A misspelt option raised {brief(error)}; it should be a TypeError.") from error
    else:
        raise CheckFailedError("A misspelt option was accepted in silence: take named options only, no **kwargs.")
    module = subject.make(0)
    if module.facts.parameters:
        real = sum(p.numel() for p in module.parameters())
        stated = type(module).count(subject.query_size, subject.key_size, **module.options)
        if real != stated:
            raise CheckFailedError(f"It has {real:,} parameters; {module.facts.parameters!r} gives {stated:,}.")


def _with_gradients(way: nn.Module, module: Temporal, arguments: tuple[Tensor, ...]) -> list[Tensor]:
    query, keys, values, mask, *state = arguments
    values = values.clone().requires_grad_()
    module.zero_grad()
    found = way(query, Memory(keys, values, mask), state=state[0] if state else None)
    found.context.sum().backward()
    assert values.grad is not None
    parameters = [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]
    return [*(part for part in found if part is not None), values.grad, *parameters]


def _of_step(
    subject: SequentialSubject, module: Temporal, *, first: bool = False, draw: int = 0, rows: int = 4, keys: int = 6
) -> tuple[Tensor, ...]:
    """The arguments of a second step, or of the first, in float32."""
    generator = torch.Generator().manual_seed(draw)
    query = torch.randn(2, rows, subject.query_size, generator=generator)
    mask = torch.arange(keys) < torch.randint(1, keys + 1, (rows, 1), generator=generator)
    with torch.no_grad():
        memory = module.remember(torch.randn(rows, keys, subject.key_size, generator=generator), mask=mask)
        state = module(query[0], memory).state
    assert memory.mask is not None
    given = (query[1], memory.keys, memory.values, memory.mask)
    return given if first or state is None else (*given, state)


def _exported(step: Step, arguments: tuple[Tensor, ...]) -> Callable[..., list[Tensor]]:
    import onnxruntime

    shapes: list[dict[int, object]] = [{0: Dim.DYNAMIC}, *({0: Dim.DYNAMIC, 1: Dim.DYNAMIC} for _ in range(3))]
    if len(arguments) > 4:
        last = arguments[4].ndim - 1
        shapes.append({axis: Dim.DYNAMIC for axis in {0, last}})
    with during("torch.onnx.export of a step with dynamic batch and keys"), torch.no_grad():
        program = torch.onnx.export(step, arguments, dynamo=True, dynamic_shapes=tuple(shapes), verbose=False)
    assert program is not None
    quiet = onnxruntime.SessionOptions()
    quiet.intra_op_num_threads = quiet.inter_op_num_threads = 1
    quiet.log_severity_level = 3
    with during("onnxruntime"):
        session = onnxruntime.InferenceSession(
            program.model_proto.SerializeToString(), quiet, providers=["CPUExecutionProvider"]
        )
    names = [given.name for given in session.get_inputs()]

    def run(*given: Tensor) -> list[Tensor]:
        feed = {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)}
        return [torch.from_numpy(result) for result in session.run(None, feed)]

    return run
