"""The conformance suite over every temporal mechanism and its other forms."""

from functools import partial

import pytest

from regard.attention import SEQUENTIAL
from regard.attention.temporal.additive import Additive
from regard.attention.temporal.coverage import Coverage
from regard.attention.temporal.location_aware import LocationAware
from regard.attention.temporal.monotonic import Monotonic
from regard.attention.temporal.multiplicative import Multiplicative
from regard.core import Temporal
from regard.testing import TEMPORAL_CHECKS, check_temporal

NARROW = partial(LocationAware, kernel_size=3)

FORMS = {
    "additive": partial(Additive, start="random", bias=True),
    "multiplicative": Multiplicative,
    "multiplicative:score=concat": partial(Multiplicative, score="concat"),
    "multiplicative:window=local_m": partial(Multiplicative, window="local_m", half_width=1),
    "multiplicative:window=local_p": partial(Multiplicative, window="local_p", half_width=2),
    "multiplicative:gaussian=scores": partial(Multiplicative, window="local_p", half_width=2, gaussian="scores"),
    "location_aware": NARROW,
    "location_aware:history=both": partial(NARROW, history="both", first="uniform"),
    "location_aware:history=sum": partial(NARROW, history="sum", first="zero", normaliser="sigmoid", sharpness=2.0),
    "coverage": Coverage,
    "monotonic": partial(Monotonic, noise=0.0),
    "monotonic:hard=False": partial(Monotonic, noise=0.0, hard=False),
}
"""Every mechanism, and the forms of it that do something else with a mask or a state."""

GRAPHS = ("compile", "onnx")
EAGER = tuple(name for name in TEMPORAL_CHECKS if name not in GRAPHS)


def test_every_mechanism_is_checked():
    here = [mechanism.facts.name for mechanism in SEQUENTIAL if issubclass(mechanism, Temporal)]
    assert list(dict.fromkeys(name.partition(":")[0] for name in FORMS)) == here


@pytest.mark.parametrize("form", FORMS)
def test_it_keeps_the_promises_of_a_temporal_mechanism(form):
    assert not check_temporal(FORMS[form], checks=EAGER).skipped


def test_a_dot_of_equal_sizes_keeps_them_too():
    check_temporal(
        partial(Multiplicative, score="dot"), query_size=4, key_size=4, checks=("padding", "without_weights")
    )


@pytest.mark.graph
@pytest.mark.parametrize(("form", "graph"), [("additive", "onnx"), ("location_aware", "compile")])
def test_a_step_is_a_graph(form, graph):
    assert not check_temporal(FORMS[form], checks=graph).skipped


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_a_step_of_every_form_is_a_graph(form):
    assert not check_temporal(FORMS[form], checks=GRAPHS).skipped
