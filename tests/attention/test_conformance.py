"""The conformance suite over the whole catalogue: every mechanism, with both starts and with its other forms."""

import inspect
from functools import partial
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from regard.attention import CATALOGUE, CONTROLS
from regard.core import Facts
from regard.testing import CHECKS, OPT_IN, check_attention

STARTS = ("paper", "identity")

GRAPHS = ("compile", "export", "onnx", "taps_compiled")
"""Checks that take seconds: for the forms that options choose they are left out."""

BY_ITS_OWN_RULE = ("start", "dims", "strict")
"""Options that the checks set themselves, and the one that turns a warning into an error."""

OF_TWO_AXES = ("static:shape=spatial",)
"""Forms whose default fits fewer numbers of position axes than the facts name."""

COMPILED = ("se", "cbam", "sk")
"""A channel gate, one with a convolution and a normalisation, and one that selects branches."""

MECHANISMS = (*CATALOGUE, *CONTROLS)


def starts():
    for mechanism in MECHANISMS:
        for start in STARTS:
            yield pytest.param(partial(mechanism, start=start), id=f"{mechanism.facts.name}-{start}")


def forms():
    """Every value of every option that is one of a few words or a flag, but its default."""
    for mechanism in MECHANISMS:
        hints = get_type_hints(mechanism.__init__)
        for name, parameter in inspect.signature(mechanism).parameters.items():
            hint = hints.get(name)
            values = (True, False) if hint is bool else get_args(hint) if get_origin(hint) is Literal else ()
            for value in values:
                if name not in BY_ITS_OWN_RULE and value != parameter.default:
                    form = f"{mechanism.facts.name}:{name}={value}"
                    yield pytest.param(partial(mechanism, **{name: value}), form, id=form)


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in OPT_IN])
@pytest.mark.parametrize("mechanism", [*starts()])
def test_every_mechanism_keeps_every_promise(mechanism, check):
    outcome = check_attention(mechanism, checks=check).outcomes[0]
    if outcome.status == "skipped":
        pytest.skip(outcome.sentence)


@pytest.mark.parametrize(("mechanism", "form"), [*forms()])
def test_every_form_keeps_the_promises(mechanism, form):
    check_attention(mechanism, checks=_quick(), dims=(2,) if form in OF_TWO_AXES else None)


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", [m for m in MECHANISMS if m.facts.name in COMPILED], ids=lambda m: m.facts.name)
def test_what_inductor_makes_of_it_gives_the_same(mechanism):
    assert not check_attention(mechanism, checks=OPT_IN).skipped


def test_checks_are_skipped_only_where_the_facts_say_so():
    for mechanism in MECHANISMS:
        for outcome in check_attention(mechanism, checks=_quick()).skipped:
            assert _excused(mechanism.facts, outcome.name, mechanism), outcome


def _quick():
    return [name for name in CHECKS if name not in (*GRAPHS, *OPT_IN)]


def _excused(facts: Facts, check: str, mechanism) -> bool:
    parameterless = not any(True for _ in mechanism(16).parameters())
    return {
        "neutral": isinstance(facts.neutral, str) or facts.act != "weigh" or facts.at == "conv" or not facts.keeps_shape,
        "identity_start": not facts.insertable,
        "unused_parameters": parameterless,
        "parameter_order": parameterless,
        "gradcheck": facts.kind == "hard",
    }.get(check, False)
