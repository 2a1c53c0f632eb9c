"""The inserted modules fit their sites: axes, dtype, device, cost."""

import pytest
import torch

from regard.core import OptionError, ShapeError, Spec, SurgeryError
from regard.surgery.inserted import ChannelsLast, build, check, measure
from regard.surgery.sites import Site


def site(channels=8, positions=(4, 5), axis=1, dtype=torch.float32):
    shape = [1, *positions]
    shape.insert(axis, channels)
    return Site("here", "residual", "Conv2d", channels, positions, axis, shape=tuple(shape), dtype=dtype)


def test_channels_last_is_the_same_function():
    child = build(Spec("se"), site(axis=3), "paper", 0).eval()
    assert isinstance(child, ChannelsLast)
    x = torch.randn(2, 4, 5, 8)
    expected = child.mechanism(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.equal(child(x), expected)
    assert child(x).stride() == x.stride()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_axes_follow_from_the_site(dims):
    child = build(Spec("bam"), site(positions=(4,) * dims), "identity", 0).eval()
    assert child(torch.randn(2, 8, *(4,) * dims)).shape == (2, 8, *(4,) * dims)


def test_the_dtype_is_the_sites():
    child = build(Spec("se"), site(dtype=torch.float64), "identity", 0)
    assert {p.dtype for p in child.parameters()} == {torch.float64}


def test_multiply_adds_are_those_of_the_site():
    assert measure(build(Spec("se", {"reduction": 2}), site(), "identity", 0), site()) == 2 * 8 * 4


def test_a_mechanism_for_other_axes_is_refused():
    with pytest.raises(ShapeError, match="2 position axes"):
        build(Spec("criss_cross"), site(positions=(4, 4, 4)), "identity", 0)


def test_a_mechanism_without_features_is_refused():
    with pytest.raises(SurgeryError, match="vector"):
        check("attention_pool", {})


def test_options_of_both_places_join():
    assert check("se:reduction=4", {"bias": False}) == Spec("se", {"reduction": 4, "bias": False})
    with pytest.raises(OptionError):
        build(Spec("se", {"wrong": 1}), site(), "identity", 0)
