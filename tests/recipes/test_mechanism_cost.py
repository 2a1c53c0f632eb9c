"""Costs are those of the real module, though nothing is computed."""

import functools

import pytest
import torch

from regard import cost
from regard.attention import CATALOGUE, create
from regard.core import OptionError
from regard.core.tap import taps
from regard.recipes.mechanism_cost import forms_of, size_of
from regard.recipes.shapes import dims_of

SMALL = {1: (32, 9), 2: (32, 6, 9), 3: (32, 3, 5, 4)}


@pytest.mark.parametrize("mechanism", CATALOGUE, ids=lambda m: m.facts.name)
def test_shapes_are_those_that_the_module_makes(mechanism):
    shape = SMALL[dims_of(mechanism)]
    module = create(mechanism.facts.name, channels=32).eval()
    seen = {}
    for path, tap in taps(module).items():
        tap.sink = functools.partial(seen.setdefault, path)
    inputs = module.example_inputs(32, shape[1:], 1)
    with torch.no_grad():
        y = module(*inputs)
    forms = forms_of(mechanism.facts.name, shape)
    assert forms.output == tuple(y.shape[1:])
    assert list(forms.inputs.values()) == [tuple(x.shape[1:]) for x in inputs]
    assert {m.path: m.shape for m in forms.maps} == {path: tuple(attn.shape[1:]) for path, attn in seen.items()}


@pytest.mark.parametrize("mechanism", CATALOGUE, ids=lambda m: m.facts.name)
def test_parameters_follow_the_formula_in_the_facts(mechanism):
    shape = SMALL[dims_of(mechanism)]
    assert size_of(mechanism.facts.name, shape).parameters == mechanism.count(32)


@pytest.mark.parametrize("name", ["se", "cbam", "bam", "sk", "coord", "double"])
def test_multiply_adds_agree_with_the_cost_room(name):
    module = create(name, channels=32)
    assert size_of(name, (32, 6, 9)).macs == cost.macs(module, torch.zeros(1, 32, 6, 9))


def test_multiply_adds_match_hand_counts():
    assert size_of("se", (64, 5, 7)).macs == 2 * 64 * 4
    n, c = 35, 64
    assert size_of("multihead", (64, 5, 7)).macs == 4 * n * c * c + 2 * n * n * c


def test_costs_follow_options_and_axes():
    assert size_of("se:reduction=4", (64, 5, 7)).macs == 2 * 64 * 16
    assert size_of("cbam", (64, 9)).parameters == 580 + 2 * 7 + 2


def test_unsupported_shapes_are_refused():
    with pytest.raises(OptionError, match="it takes 3"):
        size_of("cbam:dims=3", (64, 9))
