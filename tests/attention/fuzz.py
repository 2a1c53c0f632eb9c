"""A search for faults over random channels, sizes, dtypes, layouts, values and options: `make fuzz`.

It goes round the catalogue until its time is over, with another seed each time, and prints for every fault a line that
shows it again. It is a search and no gate: what it finds becomes a test.
"""

import argparse
import inspect
import random
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from regard.attention import CATALOGUE, CONTROLS, find
from regard.core import OptionError
from regard.core.seeding import use_seed
from regard.testing import allowed_difference, longest_sum
from regard.testing.subject import run, run_backward, subject_of

MECHANISMS = {mechanism.facts.name: mechanism for mechanism in (*CATALOGUE, *CONTROLS)}

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
LAYOUTS = ("plain", "last", "sliced")
FACTORS = (0.0, 1e-6, 1.0)

SPREAD = 16
"""The largest error of y, in multiples of the change by a rounding in every layer."""

TUPLES: dict[str, list[object]] = {
    "kernel_sizes": [None, (3, 5), (1, 3, 5)],
    "dilations": [None],
    "signal_channels": [None],
    "pools": [("mean",), ("max", "lse"), ("mean", "max", "lp", "lse")],
}
"""Values of options that are neither numbers nor words, by name; others keep their default."""


@dataclass(frozen=True)
class Case:
    """A mechanism with options, and the inputs that it is shown; its repr is the call that makes it."""

    name: str
    channels: int
    size: tuple[int, ...]
    options: dict[str, object] = field(default_factory=dict)
    batch: int = 2
    draw: int = 0

    @cached_property
    def subject(self):
        """The mechanism as the conformance suite builds it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = partial(MECHANISMS[self.name], **self.options)
            return subject_of(made, channels=self.channels, dims=(len(self.size),))

    def inputs(self, dtype, layout="plain", factor=1.0):
        """Inputs of its forward, with x laid out in memory as asked for."""
        x, *rest = self.subject.inputs(self.size, batch=self.batch, draw=self.draw)
        return (laid((factor * x).to(dtype), layout), *(v.to(dtype) if v.is_floating_point() else v for v in rest))

    def module(self, dtype):
        """A new module, as training might have left it."""
        return self.subject.stir().to(dtype)


def laid(x, layout):
    """x in memory as it is, channels last, or as a part of a larger tensor."""
    if layout == "last" and x.ndim in (4, 5):
        return x.contiguous(memory_format=torch.channels_last if x.ndim == 4 else torch.channels_last_3d)
    return torch.cat([x, x], -1)[..., : x.shape[-1]] if layout == "sliced" else x


def finite(case: Case, dtype: torch.dtype, layout: str, training: bool, factor: float) -> None:
    """y is finite and of the right shape and dtype, and so are the gradients in any dtype of float32's range."""
    inputs = case.inputs(dtype, layout, factor)
    y, gradients = run_backward(case.module(dtype).train(training), inputs)
    subject = case.subject
    assert y.dtype == dtype
    assert y.shape == inputs[0].shape or not subject.keeps_shape or subject.facts.at in ("conv", "kernel")
    assert y.isfinite().all()
    assert dtype == torch.float16 or all(g.isfinite().all() for g in gradients.values() if g is not None)


def exact(case: Case, dtype: torch.dtype, layout: str) -> None:
    """In evaluation it is what the same numbers give in float64 and in plain memory, as far as they decide it.

    The difference is judged by the larger of y and x: a gate near 0 is as exact as its logits, of size 1 or more, are.
    Where it is too large, it may be `SPREAD` times what roundings of x and of the layers' results do to the exact y (a
    normalisation of nearly constant features multiplies them).
    """
    given = case.inputs(dtype, layout)
    plain = tuple(v.contiguous().double() if v.is_floating_point() else v for v in given)
    module, reference = case.module(dtype).eval(), case.module(dtype).double().eval()
    with torch.no_grad():
        got, want = run(module, given), run(reference, plain)
        size = max(float(want.abs().max()), float(given[0].abs().max()))
        limit = 2 * allowed_difference(dtype, longest_sum(module, given)) * size
        difference = float((got.double() - want).abs().max())
        if difference > limit:
            limit = SPREAD * _spread(reference, plain, want, torch.finfo(dtype).eps)
    assert difference <= limit, f"y differs by {difference:g} from float64; {limit:g} is allowed"


def _spread(module, inputs, want, epsilon):
    """The distance of y from `want` where x and every layer's output are changed by a relative rounding."""
    generator = torch.Generator().manual_seed(0)

    def round_outputs(v):
        return v * (1 + epsilon * (2 * torch.rand(v.shape, generator=generator, dtype=v.dtype) - 1))

    for layer in module.modules():
        if not any(layer.children()):
            layer.register_forward_hook(lambda layer, inputs, y: round_outputs(y))
    y = run(module, tuple(round_outputs(v) if v.is_floating_point() else v for v in inputs))
    return float((y - want).abs().max())


def differentiable(case: Case, training: bool) -> None:
    """The gradient of x is what differences show, in float64.

    A corner (of a ReLU, of a maximum) that is nearer than the step spoils the difference, not the gradient: a smaller
    step must then show it.
    """
    x, *rest = case.inputs(torch.float64)
    module = case.module(torch.float64).train(training)

    def sample(x):
        with use_seed("fuzz"):
            return run(module, (x, *rest))

    def show(step, **how):
        return torch.autograd.gradcheck(sample, (x.requires_grad_(),), eps=step, fast_mode=True, **how)

    assert show(1e-6, raise_exception=False) or show(1e-8)


@st.composite
def cases(draw, name, largest=9):
    """A mechanism with up to three drawn options, and drawn inputs for it."""
    mechanism = MECHANISMS[name]
    hints, signature = get_type_hints(mechanism.__init__), inspect.signature(mechanism).parameters
    free = [p for p in list(signature.values())[1:] if p.name not in ("dims", "strict")]
    chosen = draw(st.lists(st.sampled_from(free), max_size=3, unique=True)) if free else []
    options = {p.name: draw(_values_of(p.name, hints[p.name], p.default)) for p in chosen}
    dims = 2 if options.get("shape") == "spatial" else draw(st.sampled_from(mechanism.facts.dims))
    if "dims" in signature:
        options["dims"] = dims
    channels = draw(st.integers(1, 20))
    try:
        mechanism(channels, **options)
    except OptionError:
        assume(False)
    size = tuple(draw(st.integers(1, largest if dims < 3 else 4)) for _ in range(dims))
    return Case(name, channels, size, options, draw(st.integers(1, 3)), draw(st.integers(0, 9)))


def _values_of(name, hint, default):
    """Values to try for an option; those that the mechanism refuses by an `OptionError` are drawn anew."""
    if name in TUPLES:
        return st.sampled_from(TUPLES[name])
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    found: list[object] = [default]
    for choice in choices:
        if choice is bool:
            found += [True, False]
        elif choice is int:
            found += [1, 2, 3, 4, 5, 7]
        elif choice is float and isinstance(default, float):
            found += [default / 2, 1.0]
        elif get_origin(choice) is Literal:
            found += get_args(choice)
        elif choice is type(None):
            found += [None]
    return st.sampled_from(found)


dtypes, layouts = st.sampled_from(DTYPES), st.sampled_from(LAYOUTS)

PROPERTIES: dict[str, tuple[Callable[..., None], Callable[[str], dict[str, Any]]]] = {
    "finite": (
        finite,
        lambda name: {
            "case": cases(name),
            "dtype": dtypes,
            "layout": layouts,
            "training": st.booleans(),
            "factor": st.sampled_from(FACTORS),
        },
    ),
    "exact": (exact, lambda name: {"case": cases(name), "dtype": dtypes, "layout": layouts}),
    "differentiable": (differentiable, lambda name: {"case": cases(name, largest=4), "training": st.booleans()}),
}
"""Properties of every case, and their inputs."""


def fault_of(name: str, wanted: str, examples: int, number: int | None) -> tuple[str, Exception] | None:
    """The smallest call found that breaks a property of a mechanism, as Python, and what it raised.

    `number` seeds the search; None draws the same examples in every run.
    """
    holds, drawn = PROPERTIES[wanted]
    failed: list[tuple[str, Exception]] = []

    def attempt(**what):
        try:
            holds(**what)
        except Exception as error:
            failed.append((f"{wanted}({', '.join(f'{k}={v!r}' for k, v in what.items())})", error))
            raise

    search = settings(
        max_examples=examples,
        derandomize=number is None,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=[*HealthCheck],
    )(given(**drawn(name))(attempt))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            (search if number is None else seed(number)(search))()
        except Exception:
            if not failed:
                raise
    # Hypothesis ends with the smallest example that it found.
    return failed[-1] if failed else None


def rounds(number: int, names: list[str]) -> Iterator[tuple[str, str, int]]:
    """Mechanism, property and seed without end: every pair once a round, in an order that `number` decides."""
    source = random.Random(number)
    for _ in count():
        pairs = [(name, wanted) for name in names for wanted in PROPERTIES]
        source.shuffle(pairs)
        for name, wanted in pairs:
            yield name, wanted, source.randrange(2**32)


def main() -> int:
    """Searches until the time is over; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a mechanism; all of them by default")
    asked = parser.parse_args()
    names = [find(name).facts.name for name in asked.names] or sorted(MECHANISMS)
    number = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    end, searched, found = time.monotonic() + 60 * asked.minutes, 0, set()
    print(f"searching for {asked.minutes:g} minutes with SEED={number}", flush=True)
    for name, wanted, inner in rounds(number, names):
        if time.monotonic() >= end:
            break
        if (name, wanted) in found:
            continue
        searched += 1
        fault = fault_of(name, wanted, 10, inner)
        if fault:
            found.add((name, wanted))
            call, error = fault
            print(f"\n{name} is not {wanted}: {type(error).__name__}: {error}")
            print(f"  {call}", flush=True)
    print(f"\n{searched} searches of 10 examples, {len(found)} faults, SEED={number}")
    if found:
        print("Paste a call after: from tests.attention.fuzz import *")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
