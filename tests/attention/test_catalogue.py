import inspect
import re
import sys
from functools import partial
from math import prod
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from regard.attention import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL, create, find, names
from regard.attention.catalogue import AMBIGUOUS, OTHER_NAMES
from regard.core import Axis, Map, OptionError, ShapeError, Spec, UnknownNameError, taps
from regard.kernels import use
from tests.attention.drawn import drawn, features

EVERY = (*CATALOGUE, *CONTROLS)
INSERTABLE = [m for m in EVERY if m.facts.returns == "features"]
WITH_HIDDEN = [m for m in EVERY if "hidden" in inspect.signature(m).parameters]
NO_SHARES = (Axis.BATCH, Axis.TARGET, Axis.COORDINATE)
every = pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: m.facts.name)
insertable = pytest.mark.parametrize("mechanism", INSERTABLE, ids=lambda m: m.facts.name)


def at_dims(mechanism, dims, channels=8, **options):
    """The mechanism for that number of position axes, whether or not it has an option for it."""
    if "dims" in inspect.signature(mechanism).parameters:
        options["dims"] = dims
    return mechanism(channels, **options)


def test_names_are_told_apart_and_filtered():
    assert len({m.facts.name for m in EVERY}) == len(EVERY)
    assert names() == tuple(m.facts.name for m in (*CATALOGUE, *LOOKING, *SEQUENTIAL))
    assert names(family="spatial")[:2] == ("sse", "cbam_spatial")
    assert names(family="branch", kind="soft")[0] == "sk"
    assert names(kind="hard") == ("hard_channel", "glimpse", "hard_spatial")
    families = [m.facts.family for m in CATALOGUE]
    assert sorted(families, key=families.index) == families, "the catalogue is ordered by family"


@every
def test_a_mechanism_is_found_by_its_name(mechanism):
    facts = mechanism.facts
    assert find(facts.name) is mechanism
    assert mechanism.__module__.rstrip("_") == f"regard.attention.{facts.family}.{facts.name}"


@every
def test_its_facts_are_complete(mechanism):
    facts = mechanism.facts
    assert re.fullmatch(r"arXiv:\d{4}\.\d{4,5}|doi:10\..+|pmlr:v\d+/\w+", facts.paper.identifier)
    assert all(" " in author and "," not in author for author in facts.paper.authors.split(" and "))
    assert facts.authors_code is None or facts.authors_code.startswith("https://github.com/")
    assert all(departure.endswith(".") for departure in facts.departures)
    assert facts.parameters


@every
def test_options_are_few_keyword_only_with_defaults(mechanism):
    first, *options = inspect.signature(mechanism).parameters.values()
    assert first.name == "channels"
    assert len({o.name for o in options} - {"dims", "start", "strict"}) <= 8
    assert all(o.kind is o.KEYWORD_ONLY and o.default is not o.empty for o in options)
    described = inspect.getdoc(mechanism).partition("Args:")[2].partition("Shape:")[0]
    assert re.findall(r"^    (\w+):", described, re.MULTILINE) == ["channels", *(o.name for o in options)]


@every
def test_every_number_of_axes_in_its_facts_works(mechanism):
    for dims in mechanism.facts.dims:
        for size in ((1,) * dims, (5, 2, 3)[:dims]):
            x = torch.randn(2, 3, *size)
            y = at_dims(mechanism, dims, channels=3)(x)
            assert y.shape == (x.shape if mechanism.facts.returns == "features" else (2, 3))


@every
def test_mechanisms_for_trained_networks_keep_the_shape(mechanism):
    facts = mechanism.facts
    assert (facts.returns == "features") == (facts.at != "head")


@every
def test_facts_name_every_input_of_the_forward(mechanism):
    _, _, *others = inspect.signature(mechanism.forward).parameters.values()
    assert [given.name for given in mechanism.facts.inputs] == [other.name for other in others]
    module = mechanism(8)
    given = module.example_inputs(8, (5,) * (2 if 2 in module.facts.dims else 1), 3)
    required = sum(not other.optional for other in module.facts.inputs)
    module(*given[: 1 + required])
    module(*given)


@pytest.mark.parametrize("mechanism", WITH_HIDDEN, ids=lambda m: m.facts.name)
def test_a_hidden_width_is_counted_by_the_formula(mechanism):
    for channels, hidden in ((8, 4), (64, 12)):
        module = mechanism(channels, hidden=hidden)
        assert sum(p.numel() for p in module.parameters()) == mechanism.count(channels, hidden=hidden)
        assert any(values.shape[:1] == (hidden,) for values in module.parameters())
    with pytest.raises(OptionError, match="hidden=0 is not allowed; it must be an integer of at least 1"):
        mechanism(8, hidden=0)


@insertable
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_it_can_start_as_the_identity(mechanism, dtype, training):
    for dims in mechanism.facts.dims:
        module = at_dims(mechanism, dims, start="identity").to(dtype).train(training)
        x = (100 * torch.randn(3, 8, *(5, 4, 3)[:dims])).to(dtype)
        assert torch.equal(module(x), x)


@insertable
def test_it_can_leave_the_identity(mechanism):
    module = mechanism(8, start="identity")
    module(torch.randn(3, 8, 5, 4)).square().sum().backward()
    strengths = {name: p for name, p in module.named_parameters() if name.rpartition(".")[2] == "strength"}
    assert strengths
    assert all(p.grad.abs() > 0 and p.ndim == 0 for p in strengths.values())
    paper = {name: p.shape for name, p in mechanism(8).named_parameters()}
    assert {name: p.shape for name, p in module.named_parameters() if name not in strengths} == paper


@insertable
def test_at_strength_one_it_is_the_paper(mechanism):
    paper, module = mechanism(8).eval(), mechanism(8, start="identity").eval()
    module.load_state_dict(paper.state_dict(), strict=False)
    for name, values in module.named_parameters():
        if name.rpartition(".")[2] == "strength":
            torch.nn.init.ones_(values)
    x = torch.randn(3, 8, 5, 4)
    torch.testing.assert_close(module(x), paper(x), rtol=1e-5, atol=1e-6)


def forms():
    """Every mechanism, and every value of its options that are one of a few words or a flag."""
    for mechanism in EVERY:
        yield pytest.param(mechanism, id=mechanism.facts.name)
        hints = get_type_hints(mechanism.__init__)
        for name in sorted(set(inspect.signature(mechanism).parameters) - {"start", "strict"}):
            hint = hints[name]
            for value in (True, False) if hint is bool else get_args(hint) if get_origin(hint) is Literal else ():
                yield pytest.param(partial(mechanism, **{name: value}), id=f"{mechanism.facts.name}:{name}={value}")
    yield pytest.param(partial(find("splat"), radix=1), id="splat:radix=1")


@pytest.mark.parametrize("form", [*forms()])
def test_taps_tell_the_truth_of_their_maps(form):
    module, maps = drawn(form(8)), []
    assert taps(module)
    for path, tap in taps(module).items():
        tap.sink = lambda values, path=path, tap=tap: maps.append(Map(path, tap.kind, values, tap.level(values)))
    module(features(3, 8, 5, 4))
    assert {record.path for record in maps} == set(taps(module))
    for record in maps:
        tap, values = taps(module)[record.path], record.values
        assert ((values >= tap.low) & (values <= tap.high)).all()
        assert len(values) == 3
        spans = {axis: [*record.kind.span(axis, values.ndim)] for axis in record.kind.axes if axis not in NO_SHARES}
        if tap.shares:
            sums = values.sum([dimension for axis in tap.shares for dimension in spans[axis]])
            torch.testing.assert_close(sums, torch.ones_like(sums))
        for axis in set(spans) - tap.shares:
            sizes = [values.shape[dimension] for dimension in spans[axis]]
            assert prod(sizes) == 1 or not values.sum(spans[axis]).allclose(values.new_ones(())), axis


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cbma", "Did you mean 'cbam'"),
        ("SE", "here it is 'se'"),
        ("statics", "'static'"),
        ("xyz", "There are: additive, attention_gate"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(name, hint):
    with pytest.raises(UnknownNameError, match=f"There is no mechanism named {name!r}") as error:
        find(name)
    assert hint in str(error.value)


@pytest.mark.parametrize("name", sorted(AMBIGUOUS))
def test_an_ambiguous_acronym_is_refused_with_the_choices(name):
    with pytest.raises(UnknownNameError, match=f"{name!r} means several things") as error:
        create(name, channels=8)
    for meaning, here in AMBIGUOUS[name].items():
        assert meaning in str(error.value)
        assert here is None or (here in names() and f"here {here!r}" in str(error.value))
    assert name not in names()


@pytest.mark.parametrize("name", sorted(OTHER_NAMES))
def test_other_libraries_names_suggest_ours(name):
    with pytest.raises(UnknownNameError, match=f"{name!r}: here it is '{OTHER_NAMES[name]}'"):
        create(name, channels=8)
    if find(Spec.parse(OTHER_NAMES[name]).name).facts.returns == "context":
        assert create(OTHER_NAMES[name], query_size=8, key_size=8)
    else:
        assert create(OTHER_NAMES[name], channels=8)(torch.randn(2, 8, 9, 9)).shape == (2, 8, 9, 9)
    assert name not in names()


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("SELayer", "se"),
        ("skconv", "sk"),
        ("SKConv", "sk"),
        ("CBAMBlock", "cbam"),
        ("CoordAtt", "coord"),
        ("CrissCrossAttention", "criss_cross"),
        ("SqueezeExcitation", "se"),
        ("DynamicConv", "dynamic_conv"),
    ],
)
def test_names_of_classes_find_their_mechanism(name, here):
    with pytest.raises(UnknownNameError, match=f"{name!r}: here it is '{here}'"):
        create(name, channels=8)


@pytest.mark.parametrize("name", ["CA", "CALayer", "sa_layer"])
def test_a_class_of_an_ambiguous_acronym_is_refused(name):
    with pytest.raises(UnknownNameError, match=f"{name!r} means several things"):
        create(name, channels=8)


@every
def test_integers_of_numpy_are_integers(mechanism):
    width, here = np.int64(8), drawn(mechanism(8))
    module = drawn(mechanism(width))
    assert type(module.channels) is int
    assert torch.equal(module(features(2, 8, 5, 4)), here(features(2, 8, 5, 4)))


def test_options_of_numpy_are_kept_as_pythons():
    module = create("cbam", channels=np.int64(8), kernel_size=np.int64(3), dims=np.int64(2), hidden=np.int32(3))
    assert {type(module.options[name]) for name in ("kernel_size", "dims", "hidden")} == {int}
    assert module(torch.randn(2, 8, 5, 4)).shape == (2, 8, 5, 4)


@every
def test_channels_that_come_last_are_told_so(mechanism):
    with pytest.raises(ShapeError, match=r"channels come second, \(b, c, ...\): x.movedim\(-1, 1\)"):
        at_dims(mechanism, max(mechanism.facts.dims))(torch.zeros(2, *(5, 4, 3)[: max(mechanism.facts.dims)], 8))


@every
def test_bibtex_entries_match_their_venues(mechanism):
    paper, journals = mechanism.facts.paper, ("Media", "Medicine", "Intelligence", "Applications", "Neurocomputing")
    kind = "preprint" if paper.venue == "arXiv" else "journal" if paper.venue.endswith(journals) else "proceedings"
    assert paper.published == kind


class Shared(TorchDispatchMode):
    """Inside, `seen` says whether a maximum was taken whose gradient all share that tie for it."""

    def __init__(self):
        super().__init__()
        self.seen = False

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.seen |= operator in (torch.ops.aten.amax.default, torch.ops.aten.maximum.default)
        return operator(*args, **(kwargs or {}))


@every
def test_ties_that_share_a_gradient_are_departures(mechanism):
    module = mechanism(8, **({"subsample": 2} if mechanism.facts.name == "nonlocal" else {}))
    with Shared() as shared, use("reference"):  # the kernels take maxima that cannot be seen from here
        module(*module.example_inputs(8, (5, 4)))
    assert shared.seen == any("tie for" in departure for departure in mechanism.facts.departures)


def test_options_come_from_spec_and_call():
    assert create("se:reduction=8", channels=64).reduce.out_features == 8
    assert create("se:reduction=8", channels=64, reduction=4).reduce.out_features == 16
    assert create(Spec("eca", {"kernel_size": 9}), channels=64).conv.kernel_size == (9,)
    assert create("static:shape=spatial,size=(3,5)", channels=4).logits.shape == (3, 5)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("se:reducton=8", "There is no option of 'se' named 'reducton'. Did you mean 'reduction'"),
        ("eca:reduction=8", "There are: beta, gamma, hidden, kernel_size, padding, start"),
        ("se:channels=8", "There is no option of 'se' named 'channels'"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_nearest(line, hint):
    with pytest.raises(OptionError) as error:
        create(line, channels=8)
    assert hint in str(error.value)


@pytest.mark.parametrize("channels", [0, -3, 2.5, "64", True, None])
def test_a_number_of_channels_must_be_one(channels):
    with pytest.raises(OptionError, match=r"channels=.* is not allowed; it must be an integer of at least 1"):
        create("eca", channels=channels)


def test_a_size_that_is_missing_is_said():
    with pytest.raises(OptionError, match="create: 'additive' is built for query_size and key_size; give key_size="):
        create("additive", query_size=8)
    with pytest.raises(OptionError, match="create: 'multiplicative' is built for query_size and key_size; give query"):
        create("multiplicative", channels=8)
    with pytest.raises(OptionError, match="create: 'se' is built for channels; give channels="):
        create("se", reduction=8)


def test_temporal_mechanisms_have_few_options_and_complete_facts():
    for mechanism in SEQUENTIAL:
        test_a_mechanism_is_found_by_its_name(mechanism)
        test_its_facts_are_complete(mechanism)
        parameters = inspect.signature(mechanism).parameters
        options = [name for name, p in parameters.items() if p.default is not p.empty]
        assert all(parameters[name].kind is parameters[name].KEYWORD_ONLY for name in options)
        assert len(options) <= 8
        described = inspect.getdoc(mechanism).partition("Args:")[2].partition("Shape:")[0]
        assert re.findall(r"^    (\w+):", described, re.MULTILINE) == list(parameters)


def test_few_files_are_walked_to_make_and_call():
    walked = set()

    def follow(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if "attention" in path.parts and "regard" in path.parts:
            walked.add(path.name)

    x = torch.randn(2, 64, 8, 8)
    before = sys.gettrace()
    sys.settrace(follow)
    try:
        create("cbam", channels=64)(x)
    finally:
        sys.settrace(before)
    assert walked == {"catalogue.py", "cbam.py", "cbam_channel.py", "cbam_spatial.py", "layers.py"}
