"""The twins compute the same as ours, with our weights."""

import pytest
import torch

from regard.attention import find
from regard.core import OptionError, UnknownNameError
from regard.recipes import bench_twins
from regard.recipes.bench_twins import TWINS, USUAL, expect_measurable, make_pair


@pytest.mark.parametrize("mechanism", USUAL)
def test_a_twin_has_our_weights(mechanism):
    pair = make_pair(mechanism, 32)
    assert pair.name == TWINS[mechanism].path
    ours = {name.removeprefix(bench_twins.INSIDE): p for name, p in pair.ours.named_parameters()}
    renamed = pair.renamed({})
    assert all(torch.equal(renamed[name], parameter) for name, parameter in ours.items())
    assert all(parameter.any() for parameter in ours.values()), "zeros would hide an error"
    x = [torch.randn(2, 32, 6, 5) for _ in range(pair.inputs)]
    torch.testing.assert_close(pair.ours.eval()(*x), pair.theirs.eval()(*x))


def test_given_branches_are_mixed_without_convolutions():
    pair = make_pair("sk", 32)
    assert pair.inputs == 2
    assert not any(isinstance(module, torch.nn.Conv2d) for module in pair.ours.modules())
    a, b = torch.zeros(1, 32, 2, 2), torch.ones(1, 32, 2, 2)
    for module in (pair.ours.eval(), pair.theirs.eval()):
        assert 0 < module(a, b).min() <= module(a, b).max() < 1


def test_options_leave_a_mechanism_without_twin():
    pair = make_pair("cbam:reduction=8", 32)
    assert pair.theirs is None
    assert pair.name == "none: no twin with these options"


def test_a_mechanism_without_any_twin_says_so():
    assert make_pair("simam", 8).name == "none: no other library is known to have the same"


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(bench_twins, "find_spec", lambda name: None)
    assert make_pair("se", 32).name == "none: timm is not installed"


def test_too_few_channels_leave_no_twin():
    pair = make_pair("bam", 8)
    assert pair.theirs is None
    assert pair.name.endswith("BamBlock cannot be built like ours for 8 channels")


@pytest.mark.parametrize("mechanism", ["additive", "glimpse", "attention_pool", "attention_gate"])
def test_other_kinds_are_refused(mechanism):
    assert find(mechanism)
    with pytest.raises(OptionError, match=f"{mechanism} cannot be measured here.*choose from .*se, .*cbam"):
        expect_measurable(mechanism)


def test_an_unknown_mechanism_is_refused():
    with pytest.raises(UnknownNameError, match="cbam"):
        expect_measurable("cbma")
