import pytest
import torch

from regard.kernels import squeeze_channels
from tests.kernels.cases import (
    DTYPES,
    LAYOUTS,
    SQUEEZES_OF_CHANNELS,
    assert_as_good,
    assert_on_everything,
    assert_on_representatives,
    draw,
    gate_both,
    lay_out,
    look_across_and_gate,
    needs_extension,
)

pytestmark = needs_extension
by_layout = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SQUEEZES_OF_CHANNELS)
def test_it_is_as_good_as_the_oracle(name, dtype):
    assert_on_representatives(SQUEEZES_OF_CHANNELS[name], dtype)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SQUEEZES_OF_CHANNELS)
def test_it_is_as_good_on_everything(name, dtype):
    assert_on_everything(SQUEEZES_OF_CHANNELS[name], dtype)


@by_layout
@pytest.mark.parametrize("name", ["max+mean", "max+mean and gate", "both gates"])
def test_many_channels_lose_no_digits(name, layout):
    for b in (1, 3):
        assert_as_good(SQUEEZES_OF_CHANNELS[name], [draw((b, 2048, 7, 7), torch.float32, layout)], layout)


def equal_channels(*shape):
    """Several channels have the maximum of a position."""
    values = torch.randn(shape)
    values[:, 1::2] = values[:, :1]
    return values


@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_share_the_gradient(dtype, layout):
    shape = (2, 33, 5, 7)
    for values in (
        torch.zeros(shape),
        torch.full(shape, -1.5),
        torch.randn(shape).relu(),
        torch.randn(shape).round(),
        equal_channels(*shape),
        torch.tensor([0.0, -0.0]).view(1, 2, 1, 1).repeat(2, 16, 5, 7),
    ):
        x = lay_out(values, dtype, layout)
        _, _, position = draw(tuple(x.shape), dtype)
        equal = torch.zeros(*x.shape[:2], 1, 1, dtype=position.dtype)  # equal gates, so that ties stay ties
        for compute in (look_across_and_gate("max"), look_across_and_gate("max", "mean")):
            assert_as_good(compute, [(x, equal, position)], f"{values.flatten()[:3]}")
        if dtype != torch.bfloat16:  # where the oracle rounds the product, and makes other ties
            for statistics in ("mean",), ("mean", "max"):
                by_both = gate_both(statistics, ("max", "mean"))
                if not values.any() or statistics == ("mean",):
                    assert_as_good(by_both, [(x, equal, position)], f"{values.flatten()[:3]} {statistics}")


@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("at", [0, 1, 16, 32])
def test_a_maximum_that_is_no_number_is_seen(at, dtype, layout):
    values = torch.randn(2, 33, 5, 7)
    values[1, at, ::2] = torch.nan
    values[0, at, 1], values[0, :, 2] = torch.inf, -torch.inf
    x = lay_out(values, dtype, layout)
    found, expected = (squeeze_channels(x, "max", "mean", impl=impl) for impl in ("cpu", "reference"))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


@by_layout
def test_a_position_without_a_number_spoils_no_other(layout):
    values = torch.randn(2, 33, 5, 7)
    values[1, 4, 2, 2] = torch.nan
    others = torch.ones(5, 7, dtype=torch.bool)
    others[2, 2] = False

    def gradient(impl):
        x = lay_out(values, torch.float32, layout).requires_grad_()
        squeeze_channels(x, "max", impl=impl)[0].sum().backward()
        return x.grad[:, :, others]

    assert torch.equal(gradient("cpu"), gradient("reference"))
