"""The conformance suite over the whole catalogue: every mechanism, with both starts and with its other forms."""

import inspect
from functools import partial
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from regard.attention import CATALOGUE, CONTROLS
from regard.testing import CHECKS, OPT_IN, ConformanceError, check_attention
from regard.testing.checks.capture import OTHERS, TRACED, compare_compiled
from regard.testing.subject import subject_of

STARTS = ("paper", "identity")

GRAPHS = ("compile", "export", "onnx", "taps_compiled")
"""Checks that take seconds: for the forms that options choose they are left out."""

ONCE = ("export", "onnx", "taps_compiled", "pickle", "state_dict", "misspelt_option", "wrong_input")
"""Checks that a `strength` changes nothing about."""

WITHOUT_AXES = ("export", "taps_compiled", "pickle", "state_dict", "misspelt_option", "wrong_input", "deepcopy")
"""Checks that the number of position axes changes nothing about; an export is the first half of `onnx`."""

BY_ITS_OWN_RULE = ("start", "dims", "strict")
"""Options that the checks set themselves, and the one that turns a warning into an error."""

OF_TWO_AXES = ("static:shape=spatial",)
"""Forms whose default fits fewer numbers of position axes than the facts name."""

COMPILED = ("se", "cbam", "sk")
"""A channel gate, one with a convolution and a normalisation, and one that selects branches."""

STRIDES = {"transposed": 2, "residual_mask": 2, "sca_cnn": 2, "multiscale_ema": 2, "caa": 3}
"""Where inductor cannot order strides if sizes vary, by position axes: pytorch/pytorch#185510."""

MECHANISMS = (*CATALOGUE, *CONTROLS)


def main_dims(mechanism):
    return 2 if 2 in mechanism.facts.dims else mechanism.facts.dims[0]


def promises():
    """Every check at the main number of position axes with both starts; at the others those that depend on it."""
    for mechanism in MECHANISMS:
        main, name = main_dims(mechanism), mechanism.facts.name
        for start in STARTS if mechanism.facts.returns == "features" else STARTS[:1]:
            made = partial(mechanism, start=start) if mechanism.facts.returns == "features" else mechanism
            for check in CHECKS:
                if check not in OPT_IN and not (start == "identity" and check in ONCE):
                    yield pytest.param(made, (main,), check, id=f"{name}-{start}-{main}d-{check}")
        for dims in sorted(set(mechanism.facts.dims) - {main}):
            for check in CHECKS:
                if check not in (*OPT_IN, *WITHOUT_AXES):
                    yield pytest.param(mechanism, (dims,), check, id=f"{name}-paper-{dims}d-{check}")


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


@pytest.mark.parametrize(("mechanism", "dims", "check"), [*promises()])
def test_every_mechanism_keeps_every_promise(mechanism, dims, check):
    outcome = check_attention(mechanism, checks=check, dims=dims).outcomes[0]
    if outcome.status == "skipped":
        assert _excused(getattr(mechanism, "func", mechanism), check), outcome
        pytest.skip(outcome.sentence)


@pytest.mark.parametrize(("mechanism", "form"), [*forms()])
def test_every_form_keeps_the_promises(mechanism, form):
    check_attention(mechanism, checks=_quick(), dims=(2,) if form in OF_TWO_AXES else None)


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", [m for m in MECHANISMS if m.facts.name in COMPILED], ids=lambda m: m.facts.name)
def test_what_inductor_makes_of_it_gives_the_same(mechanism):
    assert not check_attention(mechanism, checks=OPT_IN).skipped


@pytest.mark.long
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.facts.name)
def test_what_inductor_makes_of_every_mechanism_gives_the_same(mechanism):
    for dims in mechanism.facts.dims:
        if STRIDES.get(mechanism.facts.name) != dims:
            check_attention(mechanism, checks=OPT_IN, dims=(dims,))
            continue
        with pytest.raises(ConformanceError, match="cannot determine truth value of Relational"):
            check_attention(mechanism, checks=OPT_IN, dims=(dims,))
        subject = subject_of(mechanism, dims=(dims,))
        for size in (TRACED[dims][0], OTHERS[dims][0]):
            compare_compiled(subject, "inductor", True, [size], dynamic=False)


@pytest.mark.long
@pytest.mark.parametrize(("mechanism", "form"), [*forms()])
def test_every_form_is_captured_as_a_graph(mechanism, form):
    check_attention(mechanism, checks=GRAPHS, dims=(2,) if form in OF_TWO_AXES else None)


def _quick():
    return [name for name in CHECKS if name not in (*GRAPHS, *OPT_IN)]


def _excused(mechanism, check: str) -> bool:
    facts = mechanism(16).facts
    parameterless = not any(True for _ in mechanism(16).parameters())
    weighs = facts.bare and facts.act == "weigh" and facts.at not in ("conv", "kernel") and facts.returns == "features"
    return {
        "neutral": isinstance(facts.neutral, str) or not weighs,
        "identity_start": facts.returns != "features",
        "gradcheck": facts.kind == "hard",
        "unused_parameters": parameterless,
        "parameter_order": parameterless,
    }.get(check, False)
