"""Shapes are read as they are written."""

import pytest

from regard.attention import CATALOGUE, find
from regard.core import OptionError, Spec
from regard.recipes.shapes import USUAL, dims_of, format_shape, read_shape, with_dims


@pytest.mark.parametrize("shape", [(1, 1), (256, 1024), (64, 7, 5), (8, 2, 3, 4)])
def test_a_shape_is_read_as_it_is_written(shape):
    assert read_shape(format_shape(shape)) == shape


@pytest.mark.parametrize(
    "text", ["", "256", "256x", "x256", "256x0", "256x-1", "2x2x2x2x2", "256,56,56", "axb", "1.5x2"]
)
def test_invalid_shapes_are_refused_with_the_format(text):
    with pytest.raises(OptionError, match="256x1024, 256x56x56, 256x8x28x28"):
        read_shape(text)


@pytest.mark.parametrize("mechanism", CATALOGUE, ids=lambda m: m.facts.name)
def test_default_shapes_fit_their_mechanism(mechanism):
    dims = dims_of(mechanism)
    assert dims in mechanism.facts.dims
    assert len(USUAL[dims]) == dims + 1
    assert dims == 2 or 2 not in mechanism.facts.dims


def test_the_option_is_set_only_if_needed():
    cbam = find("cbam")
    assert with_dims(cbam, Spec("cbam"), 2) == Spec("cbam")
    assert with_dims(cbam, Spec("cbam"), 1) == Spec("cbam", {"dims": 1})
    assert with_dims(cbam, Spec("cbam", {"dims": 3}), 3) == Spec("cbam", {"dims": 3})
    assert with_dims(find("se"), Spec("se"), 3) == Spec("se")


def test_contradicting_shapes_are_refused_with_a_suggestion():
    with pytest.raises(OptionError, match="it takes 1, for example 256x1024"):
        with_dims(find("cbam"), Spec("cbam", {"dims": 1}), 2)
