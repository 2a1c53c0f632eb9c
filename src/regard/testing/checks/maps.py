"""Taps: the map passes them, as applied, in its range, also when compiled; neutral maps do nothing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from regard.core.facts import Facts
from regard.core.tap import Tap, taps
from regard.testing.checks.capture import compiled
from regard.testing.comparison import agree
from regard.testing.inputs import loud
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, during
from regard.testing.source import NONE, Options
from regard.testing.subject import Subject, run, run_backward, strengths
from regard.testing.tolerance import allowed_difference, longest_sum

WEIGHS_X = ("gate", "spatial", "mixed")
"""Kinds of maps whose weights are of x itself."""


def taps_carry_the_map(subject: Subject) -> None:
    """Every tap sees its map, in shape and range, and what stands in the tap is what is applied."""
    for dims in subject.dims:
        module = subject.stirred(dims=dims).eval()
        for draw, louder in ((0, False), (1, True)):
            inputs = subject.inputs(tuple(range(4, 4 + dims)), draw=draw)
            x = loud(inputs[0]) if louder else inputs[0]
            for path, (tap, map) in _seen(subject, module, (x, *inputs[1:])).items():
                _right_shape(path, tap, map, x)
                _in_range(path, tap, map, subject.facts)
    module = subject.stirred().eval()
    inputs = subject.inputs()
    for path, tap in taps(module).items():
        _is_applied(path, tap, module, inputs)


def taps_compiled(subject: Subject) -> None:
    """A sink and a replacement that are set after `torch.compile` are heeded."""
    module = subject.stirred().eval()
    inputs = subject.inputs()
    eager = {path: map for path, (_, map) in _seen(subject, module, inputs).items()}
    allowed = allowed_difference(torch.float32, longest_sum(module, inputs))
    with torch.no_grad(), compiled(module, "aot_eager") as quick:
        with during("the compiled module"):
            plain = quick(*inputs)
        for path, (_, map) in _seen(subject, module, inputs, through=quick).items():
            agree(map, eager[path], allowed, f"the map that the tap {path} of the compiled module sees")
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
    facts = subject.facts
    if facts is not None and isinstance(facts.neutral, str):
        raise CheckSkippedError("Its neutral map is no number: what it makes of x with it need not be x.")
    if not subject.weighs_x:
        raise CheckSkippedError("It does more than to weigh x, so no map makes y equal x.")
    if facts is None and any(tap.kind not in WEIGHS_X for tap in found.values()):
        raise CheckSkippedError("Without facts it is not known whether it does no more than to weigh x.")
    for training in (False, True):
        for dtype in (torch.float32, torch.float16):
            module = subject.stirred().to(dtype).train(training)
            for tap in taps(module).values():
                tap.replace = _neutral(tap)
            inputs = tuple(x.to(dtype) for x in subject.inputs())
            with during("the neutral map"), torch.no_grad():
                agree(run(module, inputs), inputs[0], 0.0, "with its neutral value in every tap a value of y")


def identity_start(subject: Subject) -> None:
    """With `start="identity"` y equals x at first, bit for bit, also in float16, and training can leave that.

    At the first step a `strength` gets a gradient, at the second whatever else is trained.
    """
    options = _identity(subject)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for inputs in (subject.inputs(), tuple(loud(x) for x in subject.inputs(draw=1))):
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
        name: gradient for name, gradient in run_backward(subject.stirred(), inputs)[1].items() if gradient is not None
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
    """Whether a gradient is there, beyond rounding."""
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


def _seen(
    subject: Subject, module: nn.Module, inputs: tuple[Tensor, ...], through: Callable[..., Tensor] | None = None
) -> dict[str, tuple[Tap, Tensor]]:
    """Each tap with the map it saw in one pass, through the compiled module where there is one."""
    maps: dict[str, list[Tensor]] = {}
    found = _taps(subject, module)
    for path, tap in found.items():
        tap.sink = _appending(maps.setdefault(path, []))
    with during("a pass with sinks in the taps"), torch.no_grad():
        (module if through is None else through)(*inputs)
    for path, tap in found.items():
        tap.sink = None
        if not maps[path]:
            raise CheckFailedError(f"The tap {path} saw no map: the map does not pass it.")
    return {path: (tap, maps[path][0]) for path, tap in found.items()}


def _appending(maps: list[Tensor]) -> Callable[[Tensor], None]:
    """A sink as PyTorch 2.11 can compile it, which `maps.append` itself is not."""

    def sink(map: Tensor) -> None:
        maps.append(map)

    return sink


def _right_shape(path: str, tap: Tap, map: Tensor, x: Tensor) -> None:
    shape, ones = tuple(map.shape), (1,) * (x.ndim - 2)
    dims = x.ndim - 2
    fits = {
        "gate": map.ndim == x.ndim and shape[2:] == ones,
        "spatial": map.ndim == x.ndim and shape[2:] == tuple(x.shape[2:]),
        "mixed": map.ndim == x.ndim,
        "branch": map.ndim == x.ndim + 1,
        "query": map.ndim == 2 + 2 * dims,
        "cross": map.ndim == 3 + dims,
        "affinity": map.ndim == 4,
        "grid": map.ndim == 2 + dims and shape[-1] == dims,
    }
    if not fits.get(tap.kind, True) or shape[0] != x.shape[0]:
        raise CheckFailedError(f"The tap {path} of kind {tap.kind} saw a map of shape {shape} for x {tuple(x.shape)}.")


def _in_range(path: str, tap: Tap, map: Tensor, facts: Facts | None) -> None:
    low, high = float(map.min()), float(map.max())
    ranges = {f"the tap {path} says": (tap.low, tap.high)} | ({"the facts say": facts.map_range} if facts else {})
    for who, (least, most) in ranges.items():
        if not (least <= low and high <= most):
            raise CheckFailedError(
                f"The map in the tap {path} goes from {low:.6g} to {high:.6g}; {who} {least:g} to {most:g}."
            )


def _is_applied(path: str, tap: Tap, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    outputs = []
    for share in (0.25, 0.75):
        tap.replace = _constant(tap, share)
        with during(f"another map in the tap {path}"), torch.no_grad():
            outputs.append(run(module, inputs))
    tap.replace = None
    if torch.equal(*outputs):
        raise CheckFailedError(
            f"y is the same whatever map stands in the tap {path}: what is applied does not pass it."
        )


def _constant(tap: Tap, share: float) -> Callable[[Tensor], Tensor]:
    low, high = (-1.0, 1.0) if tap.kind == "grid" else (max(tap.low, -1e3), min(tap.high, 1e3))
    value = low + share * (high - low)
    return lambda map: torch.full_like(map, value)


def _neutral(tap: Tap) -> Callable[[Tensor], Tensor]:
    return tap.nothing
