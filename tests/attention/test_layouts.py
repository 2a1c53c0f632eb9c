import inspect
import itertools
import re
from functools import cache
from importlib import import_module
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch

from regard.attention import find
from regard.attention.layouts import LIBRARIES
from regard.core import OptionError
from tests.attention.drawn import drawn

LAYOUTS = [layout for library in LIBRARIES for layout in import_module(f"regard.attention.layouts.{library}").LAYOUTS]
SAID_ELSEWHERE = {
    "dims": "an x with another number of axes is refused",
    "start": "the strength is left out both ways",
    "strict": "it raises, and computes nothing else",
}
PAIRS = [None, (1, 1), (2, 2), (3, 3), (9, 7), (1, 63)]
CHANNELS, SIZE = 64, (9, 7)


def alternatives(kind, value):
    """Other values that an option of that type may have."""
    kinds = [kind, *get_args(kind)]
    found = [word for one in kinds if get_origin(one) is Literal for word in get_args(one)]
    if bool in kinds:
        found += [True, False]
    elif int in kinds or float in kinds:
        found += [2 * value, value + 1, value + 2, value / 2] if value else [None, 1, 2, 3, 7]
    elif isinstance(value, tuple):
        found += [value[:1], value[::-1][:1], *PAIRS]
    elif any(get_origin(one) is tuple for one in kinds):
        found += PAIRS
    return [other for other in found if other != value]


@cache
def built(mechanism, options):
    """The module in evaluation, each tensor drawn by its name so that no relu is dead; None where it is refused."""
    try:
        module = drawn(mechanism(CHANNELS, **dict(options)))
    except OptionError:
        return None
    with torch.no_grad():
        for name, values in module.named_parameters():
            draws = torch.Generator().manual_seed(sum(name.encode()))
            values.copy_(0.3 * torch.randn(values.shape, generator=draws, dtype=values.dtype) + 0.5 * (values.ndim < 2))
    return module


@cache
def output(mechanism, options):
    """The output of that module for one x."""
    torch.manual_seed(0)
    with torch.no_grad():
        module = built(mechanism, options)
        inputs = module.example_inputs(CHANNELS, SIZE)
        return module(*(v.double() if v.is_floating_point() else v for v in inputs))


def differ(mechanism, one, other):
    """Returns whether the options make another function of tensors of the same names and shapes."""
    shapes = []
    for options in (one, other):
        module = built(mechanism, options)
        if module is None:
            return False
        shapes.append({name: values.shape for name, values in module.state_dict().items()})
    if shapes[0] != shapes[1]:
        return False
    y, z = output(mechanism, one), output(mechanism, other)
    return y.shape != z.shape or not torch.allclose(y, z, rtol=1e-9, atol=1e-12)


def unsaid(layout):
    """The free options of a layout that change its function and no shape, with a value that does."""
    mechanism, base = find(layout.mechanism), tuple(layout.options.items())
    hints, words = get_type_hints(mechanism.__init__), set(re.findall(r"\w+", f"{layout.note} {layout.twin}"))
    for name, parameter in list(inspect.signature(mechanism).parameters.items())[1:]:
        if name in layout.options or name in SAID_ELSEWHERE or name in words:
            continue
        others = alternatives(hints[name], parameter.default)
        found = (other for other in others if differ(mechanism, base, (*base, (name, other))))
        yield from (f"{name}={other!r}" for other in itertools.islice(found, 1))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.library}-{layout.twin}")
def test_options_that_no_shape_shows_are_guarded(layout):
    assert list(unsaid(layout)) == []


def test_the_search_finds_what_changes_a_function():
    bare = [type(layout)(library="x", twin="x", mechanism=layout.mechanism) for layout in LAYOUTS]
    found = {(layout.mechanism, said.partition("=")[0]) for layout in bare for said in unsaid(layout)}
    known = {("se", "gate"), ("sge", "unbiased"), ("cpca", "sigmoids"), ("bam", "dilation"), ("fca", "frequencies")}
    assert found >= known | {("attention_pool", "heads"), ("cbam", "pools"), ("sk", "dilations")}
