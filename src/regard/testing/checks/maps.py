"""Taps: the map passes them, as applied, in its range, also when compiled; neutral maps do nothing."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from regard.core.errors import ShapeError
from regard.core.kinds import Axis, MapKind
from regard.core.records import Map, Maps
from regard.core.tap import Tap, taps
from regard.testing.checks.capture import compile_module
from regard.testing.comparison import agree
from regard.testing.inputs import amplify
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, during
from regard.testing.source import NONE, Options
from regard.testing.subject import Subject, run, run_backward, strengths
from regard.testing.tolerance import allowed_difference, longest_sum


def taps_carry_the_map(subject: Subject) -> None:
    """Every tap sees its map, in shape, range and shares, and the map in the tap is the one applied."""
    for dims in subject.dims:
        module = subject.stir(dims=dims).eval()
        for draw, louder in ((0, False), (1, True)):
            inputs = subject.inputs(tuple(range(4, 4 + dims)), draw=draw)
            x = amplify(inputs[0]) if louder else inputs[0]
            seen = _observe(subject, module, (x, *inputs[1:]))
            for path, tap in taps(module).items():
                for record in seen[path]:
                    _right_shape(record, x)
                    _in_range(tap, record)
                    _sums_to_one(tap, record)
    module = subject.stir().eval()
    inputs = subject.inputs()
    for path, tap in taps(module).items():
        _is_applied(path, tap, module, inputs)


def taps_compiled(subject: Subject) -> None:
    """A sink and a replacement that are set after `torch.compile` are heeded."""
    module = subject.stir().eval()
    inputs = subject.inputs()
    eager = _observe(subject, module, inputs)
    allowed = allowed_difference(torch.float32, longest_sum(module, inputs))
    with torch.no_grad(), compile_module(module, "aot_eager") as quick:
        with during("the compiled module"):
            plain = quick(*inputs)
        for path, seen in _observe(subject, module, inputs, through=quick).items():
            for record, alone in zip(seen, eager[path], strict=True):
                agree(
                    record.values,
                    alone.values,
                    allowed,
                    f"the map that the tap {record.name} of the compiled module sees",
                )
        for path, tap in taps(module).items():
            tap.replace = _constant(tap, 0.25)
            with during(f"the compiled module with another map in the tap {path}"):
                got, want = quick(*inputs), run(module, inputs)
            tap.replace = None
            agree(got, want, allowed, f"y of the compiled module with another map in the tap {path}")
        agree(quick(*inputs), plain, 0.0, "y of the compiled module after the taps were left alone again")


def neutral(subject: Subject) -> None:
    """With its neutral value in every tap it does nothing: y equals x, bit for bit."""
    found = _taps(subject, subject.module())
    if not any(isinstance(tap.neutral, float) for tap in found.values()):
        raise CheckSkippedError("Its neutral map is no number: with it y need not be x.")
    if not subject.only_rescales:
        raise CheckSkippedError("It does more than rescale x, so no map makes y equal x.")
    if subject.facts is None and not all(_of_x(tap.kind) for tap in found.values()):
        raise CheckSkippedError("Without facts it is not known whether it only rescales x.")
    for training in (False, True):
        for dtype in (torch.float32, torch.float16):
            module = subject.stir().to(dtype).train(training)
            for tap in taps(module).values():
                tap.replace = tap.nothing
            inputs = tuple(x.to(dtype) for x in subject.inputs())
            with during("the neutral map"), torch.no_grad():
                agree(run(module, inputs), inputs[0], 0.0, "with its neutral value in every tap a value of y")


def identity_start(subject: Subject) -> None:
    """With `start="identity"` y equals x at first, bit for bit, also in float16, and training can leave that.

    At the first step a `strength` gets a gradient, at the second whatever else is trained.
    """
    options = _identity(subject)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for inputs in (subject.inputs(), tuple(amplify(x) for x in subject.inputs(draw=1))):
            given = tuple(x.to(dtype) for x in inputs)
            for training in (False, True):
                module = subject.module(options=options).to(dtype).train(training)
                with during(f"start='identity' in {dtype}"), torch.no_grad():
                    y = run(module, given)
                if y.dtype != dtype:
                    raise CheckFailedError(f"start='identity': y has dtype {y.dtype} for x in {dtype}.")
                agree(y, given[0], 0.0, f"start='identity' in {dtype}: a value of y")
    _can_leave(subject, options)


def _can_leave(subject: Subject, options: Options) -> None:
    """Every `strength` gets a gradient at once; after one step of them so does all that trained modules train."""
    inputs = subject.inputs(batch=4)
    module = subject.module(options=options)
    gradients = run_backward(module, inputs)[1]
    still = [name for name in strengths(module) if not _reaches(gradients[name])]
    if still:
        raise CheckFailedError(
            f"start='identity': {', '.join(still)} gets no gradient, so training never leaves the identity."
        )
    # What the published start holds back (a normalisation without variance, an inactive unit) may take other numbers.
    trained = {
        name: gradient for name, gradient in run_backward(subject.stir(), inputs)[1].items() if gradient is not None
    }
    scale = max((float(gradient.abs().max()) for gradient in trained.values()), default=0.0)
    waiting = {name for name, gradient in trained.items() if float(gradient.abs().max()) > 1e-5 * scale}
    for draw in range(4):
        module = subject.module(options=options, draw=draw)
        gradients = run_backward(module, inputs)[1]
        with torch.no_grad():
            for name, strength in strengths(module).items():
                gradient = gradients[name]
                assert gradient is not None
                strength.sub_(0.1 * gradient.sign())
        gradients = run_backward(module, subject.inputs(batch=4, draw=draw))[1]
        waiting -= {name for name in waiting if _reaches(gradients.get(name))}
    if waiting - {"x"}:
        raise CheckFailedError(
            f"start='identity': {', '.join(sorted(waiting - {'x'}))} gets no gradient at the second step, so it waits "
            "for another parameter to leave zero: begin with other initial values where `strength` is there."
        )


def _reaches(gradient: Tensor | None) -> bool:
    """Returns whether there is a gradient beyond rounding."""
    return gradient is not None and bool((gradient.abs() > 1e-9).any())


def _identity(subject: Subject) -> Options:
    """The options that make it start as the identity."""
    if subject.facts is not None and subject.facts.returns != "features":
        raise CheckSkippedError("Its facts say that it cannot be put into a trained network.")
    if subject.source.takes("start", "identity"):
        return {"start": "identity"}
    values = strengths(subject.module()).values()
    if values and not any(bool(value) for value in values):
        return NONE
    raise CheckSkippedError("It has no option `start`.")


def _taps(subject: Subject, module: nn.Module) -> dict[str, Tap]:
    found = taps(module)
    if not found and subject.facts is not None:
        raise CheckFailedError("The module has no tap: let the map pass a regard.core.Tap on its way to the features.")
    if not found:
        raise CheckSkippedError("The module has no regard.core.Tap where the map passes.")
    return found


def _observe(
    subject: Subject, module: nn.Module, inputs: tuple[Tensor, ...], through: Callable[..., Tensor] | None = None
) -> Maps:
    """The maps of one pass, through the compiled module where there is one."""
    values: dict[str, list[Tensor]] = {}
    found = _taps(subject, module)
    for path, tap in found.items():
        tap.sink = _appending(values.setdefault(path, []))
    with during("a pass with sinks in the taps"), torch.no_grad():
        (module if through is None else through)(*inputs)
    maps = Maps()
    for path, tap in found.items():
        tap.sink = None
        if not values[path]:
            raise CheckFailedError(f"The tap {path} saw no map: the map does not pass it.")
        for step, given in enumerate(values[path]):
            maps.add(Map(path, tap.kind, given, math.nan, step=step))
    return maps


def _appending(maps: list[Tensor]) -> Callable[[Tensor], None]:
    """A sink as PyTorch 2.11 can compile it, which `maps.append` itself is not."""

    def sink(values: Tensor) -> None:
        maps.append(values)

    return sink


def _of_x(kind: MapKind) -> bool:
    """Returns whether such weights are of x itself: of its channels, of its positions, or of both."""
    return set(kind.axes) <= {Axis.BATCH, Axis.HEAD, Axis.CHANNEL, Axis.POSITION} and kind.axes.count(Axis.CHANNEL) < 2


def _right_shape(record: Map, x: Tensor) -> None:
    try:
        fits = _fits(record, x)
    except ShapeError:
        fits = False
    if not fits:
        raise CheckFailedError(
            f"The tap {record.name} of kind {record.kind} saw a map of shape {tuple(record.values.shape)} for x "
            f"{tuple(x.shape)}."
        )


def _fits(record: Map, x: Tensor) -> bool:
    """Returns whether a map has the axes of its kind for such features; one that rescales x has its positions."""
    shape, dims = record.values.shape, x.ndim - 2
    spans = {axis: record.kind.span(axis, len(shape)) for axis in record.kind.axes}
    paired = () if record.kind.sequential else (Axis.POSITION, Axis.SOURCE, Axis.TARGET)
    if shape[0] != len(x) or any(len(spans[axis]) != dims for axis in paired if axis in spans):
        return False
    if any(shape[dimension] != dims for dimension in spans.get(Axis.COORDINATE, ())):
        return False
    allowed = x.shape[2:] if Axis.POSITION in spans else (1,) * dims
    shared = (1,) if Axis.CHANNEL in spans else ()
    return not _of_x(record.kind) or (
        len(shape) == x.ndim and all(n in (of_x, *shared) for n, of_x in zip(shape[2:], allowed, strict=True))
    )


def _in_range(tap: Tap, record: Map) -> None:
    low, high = float(record.values.min()), float(record.values.max())
    if not (tap.low <= low and high <= tap.high):
        raise CheckFailedError(
            f"The map in the tap {record.name} goes from {low:.6g} to {high:.6g}; the tap says {tap.low:g} to "
            f"{tap.high:g}."
        )


def _sums_to_one(tap: Tap, record: Map) -> None:
    spans = (record.kind.span(axis, record.values.ndim) for axis in tap.shares)
    dimensions = [dimension for span in spans for dimension in span]
    if not dimensions:
        return
    sums = record.values.double().sum(dimensions)
    if not torch.allclose(sums, torch.ones_like(sums), rtol=0.0, atol=1e-4):
        named = " and ".join(sorted(axis.plural for axis in tap.shares))
        raise CheckFailedError(
            f"The weights in the tap {record.name} sum to {float(sums.min()):.6g} to {float(sums.max()):.6g} over "
            f"{named}; the tap says that there they are shares of one."
        )


def _is_applied(path: str, tap: Tap, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    outputs = []
    for share in (0.25, 0.75):
        tap.replace = _constant(tap, share)
        with during(f"another map in the tap {path}"), torch.no_grad():
            outputs.append(run(module, inputs))
    tap.replace = None
    if torch.equal(*outputs):
        raise CheckFailedError(f"y is the same whatever map is in the tap {path}: what is applied does not pass it.")


def _constant(tap: Tap, share: float) -> Callable[[Tensor], Tensor]:
    low, high = (-1.0, 1.0) if Axis.COORDINATE in tap.kind.axes else (max(tap.low, -1e3), min(tap.high, 1e3))
    value = low + share * (high - low)
    return lambda values: torch.full_like(values, value)
