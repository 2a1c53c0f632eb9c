"""Random channels, sizes, dtypes, layouts, values and options, over the whole catalogue."""

import inspect
import os
import types
import warnings
from functools import partial
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from regard.attention import CATALOGUE, CONTROLS
from regard.core import OptionError
from regard.core.seeding import seeded
from regard.testing import allowed_difference, longest_sum
from regard.testing.subject import run, run_backward, subject_of

EXAMPLES = int(os.environ.get("REGARD_FUZZ", "0"))
"""How many examples the long run draws for each mechanism and property."""

FEW = settings(max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck])
MANY = settings(max_examples=EXAMPLES or 200, deadline=None, database=None, suppress_health_check=[*HealthCheck])

ROOM = 16
"""How far under the largest number of a dtype a gradient must be, for the parts of its sum to fit too."""

MECHANISMS = (*CATALOGUE, *CONTROLS)
every = pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.facts.name)

TUPLES: dict[str, list[object]] = {
    "kernel_sizes": [None, (3, 5), (1, 3, 5)],
    "dilations": [None],
    "signal_channels": [None],
    "pools": [("mean",), ("max", "lse"), ("mean", "max", "lp", "lse")],
}
"""Values of options that are neither numbers nor words, by name; others keep their default."""

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def values_of(name, hint, default):
    """What to try for an option; what the mechanism refuses by an `OptionError` is drawn anew."""
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


@st.composite
def modules(draw, mechanism):
    """A function of the seed that builds the mechanism with drawn options, its channels and position axes."""
    hints = get_type_hints(mechanism.__init__)
    parameters = [
        p for p in list(inspect.signature(mechanism).parameters.values())[1:] if p.name not in ("dims", "strict")
    ]
    chosen = draw(st.lists(st.sampled_from(parameters), max_size=3, unique=True)) if parameters else []
    options = {p.name: draw(values_of(p.name, hints[p.name], p.default)) for p in chosen}
    dims = draw(st.sampled_from(mechanism.facts.dims))
    if options.get("shape") == "spatial":
        dims = 2
    if "dims" in inspect.signature(mechanism).parameters:
        options["dims"] = dims
    channels = draw(st.integers(1, 20))
    try:
        mechanism(channels, **options)
    except OptionError:
        assume(False)
    return partial(mechanism, **options), channels, dims


@st.composite
def cases(draw, mechanism, largest=9):
    """A subject with drawn inputs, in float32."""
    made, channels, dims = draw(modules(mechanism))
    size = tuple(draw(st.integers(1, largest if dims < 3 else 4)) for _ in range(dims))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subject = subject_of(made, channels=channels, dims=(dims,))
        inputs = subject.inputs(size, batch=draw(st.integers(1, 3)), draw=draw(st.integers(0, 9)))
    return subject, inputs


def laid(x, layout):
    if layout == "last" and x.ndim in (4, 5):
        return x.contiguous(memory_format=torch.channels_last if x.ndim == 4 else torch.channels_last_3d)
    if layout == "exchanged":
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "sliced":
        return torch.cat([x, x], -1)[..., : x.shape[-1]]
    return x


def stays_finite(case, dtype, layout, training, factor):
    """y is finite in the dtype, of the right shape, and so are the gradients, as far as the dtype holds them.

    Where an exact number of the backward pass is beyond the dtype (the gradient of a weight is a sum of products of
    features), the loss is scaled until it is not, as training does, and then everything has to be finite. In training a
    normalisation over a few nearly equal values makes of a rounding any number, so there the scale is found by trying.
    """
    subject, (x, *rest) = case
    inputs = tuple(v.to(dtype) if v.is_floating_point() else v for v in (laid(factor * x, layout), *rest))
    module = subject.stirred().to(dtype).train(training)
    y, gradients = run_backward(module, inputs)
    assert y.dtype == dtype
    assert y.shape == inputs[0].shape or not subject.keeps_shape or subject.facts.at in ("conv", "kernel")
    assert y.isfinite().all()
    if _all_finite(gradients):
        return
    exact = subject.stirred().to(dtype).double().train(training)
    largest = _largest_of_backward(exact, tuple(v.double() if v.is_floating_point() else v for v in inputs))
    limit = torch.finfo(dtype).max / ROOM
    assert training or largest >= limit, f"no exact gradient is larger than {largest:g}"
    scales = [limit / largest / ROOM] if largest >= limit else []
    if training:
        scales += [2**-7, 2**-14]
    assert any(
        _all_finite(run_backward(subject.stirred().to(dtype).train(training), inputs, scale=scale)[1])
        for scale in scales
    )


def _largest_of_backward(module, inputs):
    """The largest of all gradients, those between the layers too."""
    found = []

    def keep(_, *gradients):
        found.extend(g for of in gradients for g in of if g is not None)

    for inner in module.modules():
        inner.register_full_backward_hook(keep)
    _, gradients = run_backward(module, inputs)
    found.extend(g for g in gradients.values() if g is not None)
    return max(float(g.abs().max()) for g in found)


def _all_finite(gradients):
    return all(g.isfinite().all() for g in gradients.values() if g is not None)


def equals_the_oracle(case, dtype, layout):
    """In evaluation it is what the same numbers give in float64 and in plain memory, as far as they decide it.

    The difference is judged by the larger of y and x: a gate near 0 is as exact as its logits, of size 1 or more, are.
    Where it is too large, it may be `ROOM` times what roundings of x and of the layers' results do to the exact y (a
    normalisation of nearly constant features multiplies them).
    """
    subject, (x, *rest) = case
    given = tuple(v.to(dtype) if v.is_floating_point() else v for v in (laid(x, layout), *rest))
    plain = tuple(v.contiguous().double() if v.is_floating_point() else v for v in given)
    module, exact = subject.stirred().to(dtype).eval(), subject.stirred().to(dtype).double().eval()
    with torch.no_grad():
        got, want = run(module, given), run(exact, plain)
        size = max(float(want.abs().max()), float(x.abs().max()))
        limit = 2 * allowed_difference(dtype, longest_sum(module, given)) * size
        difference = float((got.double() - want).abs().max())
        if difference > limit:
            limit = ROOM * _spread(exact, plain, want, torch.finfo(dtype).eps)
    assert difference <= limit


def _spread(module, inputs, want, epsilon):
    """How far y goes from `want` where x and what every layer gives are changed by a relative rounding."""
    generator = torch.Generator().manual_seed(0)

    def rounded(v):
        return v * (1 + epsilon * (2 * torch.rand(v.shape, generator=generator, dtype=v.dtype) - 1))

    for layer in module.modules():
        if not any(layer.children()):
            layer.register_forward_hook(lambda layer, inputs, y: rounded(y))
    y = run(module, tuple(rounded(v) if v.is_floating_point() else v for v in inputs))
    return float((y - want).abs().max())


def has_the_right_gradient(case, training):
    """The gradient of x is what differences show, in float64.

    A corner (of a ReLU, of a maximum) that is nearer than the step spoils the difference, not the gradient: a smaller
    step must then show it.
    """
    subject, inputs = case
    x, *rest = (v.double() if v.is_floating_point() else v for v in inputs)
    module = subject.stirred().double().train(training)

    def sampled(x):
        with seeded("fuzz"):
            return run(module, (x, *rest))

    def shown(step, **how):
        return torch.autograd.gradcheck(sampled, (x.requires_grad_(),), eps=step, fast_mode=True, **how)

    assert shown(1e-6, raise_exception=False) or shown(1e-8)


def fuzzed(mechanism, how):
    """Runs the three properties on examples drawn as `how` says."""
    layouts = st.sampled_from(("plain", "last", "exchanged", "sliced"))

    @how
    @given(cases(mechanism), st.sampled_from(DTYPES), layouts, st.booleans(), st.sampled_from((0.0, 1e-6, 1.0, 100.0)))
    def finite(case, dtype, layout, training, factor):
        stays_finite(case, dtype, layout, training, factor)

    @how
    @given(cases(mechanism), st.sampled_from(DTYPES), layouts)
    def exact(case, dtype, layout):
        equals_the_oracle(case, dtype, layout)

    @how
    @given(cases(mechanism, largest=4), st.booleans())
    def differentiable(case, training):
        has_the_right_gradient(case, training)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for of in (finite, exact, differentiable):
            of()


@every
def test_random_inputs_and_options(mechanism):
    fuzzed(mechanism, FEW)


@pytest.mark.long
@every
def test_many_random_inputs_and_options(mechanism):
    fuzzed(mechanism, MANY)
