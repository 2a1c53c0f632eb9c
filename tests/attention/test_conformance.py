"""The conformance suite over the whole catalogue: every mechanism, with both starts and with its other forms."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from regard.attention import CATALOGUE, CONTROLS, SEQUENTIAL
from regard.core import taps
from regard.testing import CHECKS, OPT_IN, ConformanceError, check_attention
from regard.testing.checks.capture import OTHERS, TRACED, compare_compiled
from regard.testing.subject import subject_of
from tests.contract.sources import PACKAGE

MECHANISMS = (*CATALOGUE, *(m for m in SEQUENTIAL if m.facts.returns == "features"), *CONTROLS)

GRAPHS = ("compile", "export", "onnx", "taps_compiled")
"""Checks that capture a graph, which takes seconds."""

EAGER = tuple(name for name in CHECKS if name not in (*GRAPHS, *OPT_IN))

ONCE = ("gradcheck", "pickle", "state_dict", "misspelt_option", "wrong_input")
"""Checks that neither a start, nor the number of position axes, nor another form changes anything about."""

ALIKE = {"start": (), "dims": ("deepcopy",), "form": ("deepcopy", "batch_independence")}
"""More of them, by what is changed."""

BY_ITS_OWN_RULE = ("start", "dims", "strict")
"""Options that the checks set themselves, and the one that turns a warning into an error."""

OF_TWO_AXES = ("static:shape=spatial",)
"""Forms whose default fits fewer numbers of position axes than the facts name."""

HELPERS = {
    "attending": ("multihead", 1),
    "axes": ("coord", 3),
    "bessel": ("simam", 3),
    "layers.bottleneck": ("se", 1),
    "layers.convolution": ("cbam", 3),
    "group_norm": ("ela", 1),
    "heads": ("double", 3),
    "large_kernels": ("lska", 3),
    "own_kernels": ("sk", 3),
    "part_norm": ("scsa", 1),
    "pooling": ("caa", 1),
    "resampling": ("stn", 1),
    "sampling": ("stn", 1),
    "strips": ("lska", 3),
    "warps": ("stn", 1),
}
"""For each file beside the families, a mechanism that uses it and a number of position axes other than its main one."""

NO_HELPERS = ("asking", "catalogue", "exchange", "policies")
"""Files beside the families that no mechanism on features uses."""

SMALLER = {"residual_mask": {"poolings": 1}}
"""Options with which the other forms and the graphs are checked: smaller, and with every kind of layer."""

COMPILED = ("se", "cbam", "sk")
"""A channel gate, one with a convolution and a normalisation, and one that selects branches."""

EXPORTED = tuple(sorted({*COMPILED, *(name for name, _ in HELPERS.values())}))
"""One mechanism for every file that several share."""

WATCHED = (*COMPILED, "multihead", "simam", "stn", "coord")
"""Kinds of maps: a gate, a branch, a query, a mixed map, a grid, and two maps in one module."""

STRIDES = {"transposed": 2, "residual_mask": 2, "sca_cnn": 2, "multiscale_ema": 2, "caa": 3}
"""Mechanisms whose strides inductor cannot order if sizes vary, by position axes: pytorch/pytorch#185510."""


@dataclass(frozen=True)
class Configuration:
    """A mechanism as it is built, where it runs, and the checks that its kind of configuration can change."""

    name: str
    made: Callable[..., Any]
    dims: tuple[int, ...] | None
    checks: tuple[str, ...]

    def __str__(self):
        return self.name


def main_dims(mechanism):
    return 2 if 2 in mechanism.facts.dims else mechanism.facts.dims[0]


def starts(mechanism):
    return ("paper", "identity") if mechanism.facts.returns == "features" else ("paper",)


def without(changed):
    return tuple(name for name in EAGER if name not in (*ONCE, *ALIKE[changed]))


def configurations():
    """Every mechanism at its main number of position axes with each start, at the others, and in its other forms."""
    for mechanism in MECHANISMS:
        main, name = main_dims(mechanism), mechanism.facts.name
        yield Configuration(f"{name}-{main}d", mechanism, (main,), EAGER)
        for start in starts(mechanism)[1:]:
            yield Configuration(f"{name}-{start}-{main}d", partial(mechanism, start=start), (main,), without("start"))
        for dims in sorted(set(mechanism.facts.dims) - {main}):
            yield Configuration(f"{name}-{dims}d", mechanism, (dims,), without("dims"))
        for form, made, dims in forms(mechanism):
            yield Configuration(form, made, dims, without("form"))


def forms(mechanism):
    """Every value of every option that is one of a few words or a flag, but its default."""
    hints, small = get_type_hints(mechanism.__init__), SMALLER.get(mechanism.facts.name, {})
    for name, parameter in inspect.signature(mechanism).parameters.items():
        hint = hints.get(name)
        values = (True, False) if hint is bool else get_args(hint) if get_origin(hint) is Literal else ()
        for value in values:
            if name not in BY_ITS_OWN_RULE and value != parameter.default:
                form = f"{mechanism.facts.name}:{name}={value}"
                yield form, partial(mechanism, **small, **{name: value}), (2,) if form in OF_TWO_AXES else None


def find(*names):
    return [m for m in MECHANISMS if m.facts.name in names]


def smaller(mechanism):
    return partial(mechanism, **SMALLER.get(mechanism.facts.name, {}))


every = pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.facts.name)
every_configuration = pytest.mark.parametrize("configuration", [*configurations()], ids=str)


@every_configuration
def test_every_configuration_keeps_its_promises(configuration):
    report = check_attention(
        configuration.made, checks=configuration.checks, dims=configuration.dims, raise_on_failure=False
    )
    excused = _excuse(configuration.made)
    wrong = [*report.failures, *(outcome for outcome in report.skipped if outcome.name not in excused)]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.graph
@every
def test_every_mechanism_is_compiled(mechanism):
    assert not check_attention(smaller(mechanism), checks="compile", dims=(main_dims(mechanism),)).skipped


@pytest.mark.long
@pytest.mark.parametrize(("name", "dims"), sorted(set(HELPERS.values())))
def test_every_helper_is_compiled_with_other_axes(name, dims):
    (mechanism,) = find(name)
    assert dims != main_dims(mechanism)
    assert not check_attention(mechanism, checks="compile", dims=(dims,)).skipped


def test_every_helper_has_its_representative():
    files = {path.stem for path in (PACKAGE / "attention").glob("[!_]*.py")}
    assert {helper.partition(".")[0] for helper in HELPERS} == files - {*NO_HELPERS}


@pytest.mark.graph
@pytest.mark.parametrize("mechanism", find(*EXPORTED), ids=lambda m: m.facts.name)
def test_every_helper_runs_in_onnx(mechanism):
    """With `torch.export`, which is the first half of it; `make test-long` exports every configuration."""
    assert not check_attention(smaller(mechanism), checks="onnx", dims=(main_dims(mechanism),)).skipped


@pytest.mark.graph
@pytest.mark.parametrize("mechanism", find(*WATCHED), ids=lambda m: m.facts.name)
def test_taps_are_heeded_after_compiling(mechanism):
    assert not check_attention(mechanism, checks="taps_compiled", dims=(main_dims(mechanism),)).skipped


@pytest.mark.graph
@pytest.mark.parametrize("mechanism", find(COMPILED[0]), ids=lambda m: m.facts.name)
def test_what_inductor_makes_of_it_gives_the_same(mechanism):
    assert not check_attention(mechanism, checks=OPT_IN).skipped


@pytest.mark.long
@every
def test_inductor_agrees_for_every_mechanism(mechanism):
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
@every_configuration
def test_every_configuration_has_gradients_and_graphs(configuration):
    check_attention(configuration.made, checks=("gradcheck", *GRAPHS), dims=configuration.dims)


def _excuse(made) -> set[str]:
    """The checks that do not apply to it."""
    module = made(16)
    facts = module.facts
    rescales = (
        facts.bare and facts.act == "rescale" and facts.at not in ("conv", "kernel") and facts.returns == "features"
    )
    reasons = {
        "neutral": not rescales or not any(isinstance(tap.neutral, float) for tap in taps(module).values()),
        "identity_start": facts.returns != "features",
        "gradcheck": facts.kind == "hard",
        "unused_parameters": not any(True for _ in module.parameters()),
        "parameter_order": not any(True for _ in module.parameters()),
    }
    return {name for name, applies in reasons.items() if applies}
