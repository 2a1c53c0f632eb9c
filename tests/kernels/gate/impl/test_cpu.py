import pytest
import torch

from regard.kernels import apply_gate
from regard.kernels.gate.impl.cpu import fit, mode_of
from regard.kernels.operators import CHANNEL, POSITION
from tests.kernels.cases import (
    DTYPES,
    EVERYTHING,
    GATES,
    LAYOUTS,
    UNITS,
    assert_as_good,
    assert_on_everything,
    assert_on_representatives,
    draw,
    lay_out,
    needs_extension,
)

pytestmark = needs_extension
by_layout = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GATES)
def test_it_is_as_good_as_the_oracle(name, dtype):
    assert_on_representatives(GATES[name], dtype, UNITS + ("sigmoid" in name))


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GATES)
def test_it_is_as_good_on_everything(name, dtype):
    assert_on_everything(GATES[name], dtype, UNITS + ("sigmoid" in name))


@by_layout
def test_sums_over_long_rows_lose_no_digits(layout):
    for name in ("by channel", "by position", "of mean"):
        assert_as_good(GATES[name], [draw((1, 3, 512, 512), torch.float32, layout)], name, units=UNITS + 2)


@by_layout
@pytest.mark.parametrize("name", [name for name in EVERYTHING if name.startswith(("gate", "across"))])
def test_every_gradient_is_that_of_small_differences(name, layout):
    for shape in ((1, 3, 2, 3), (2, 2, 3), (2, 1, 1, 1)):
        x, channel, position = draw(shape, torch.float64)
        assert torch.autograd.gradcheck(
            lambda x, channel, position, layout=layout: EVERYTHING[name](
                x if layout == "rows" else x.movedim(1, -1).contiguous().movedim(-1, 1), channel, position
            ),
            [tensor.requires_grad_() for tensor in (x, channel, position)],
        )


@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_product_keeps_dtype_and_strides(dtype, layout):
    for shape in ((2, 33, 5, 7), (2, 3, 11), (2, 3, 2, 3, 4), (1, 1, 1, 1)):
        x, channel, position = draw(shape, dtype, layout, offset=3)
        for gate in (channel, position):
            y = apply_gate(x, gate, impl="cpu")
            assert (y.dtype, y.stride()) == (x.dtype, torch.empty_like(x).stride())
            torch.testing.assert_close(y, (x * gate).to(dtype))


@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_no_number_stays_where_it_is(dtype, layout):
    values = torch.randn(2, 33, 5, 7)
    values[0, 3, 1, 1], values[1, 32, 4, 6] = torch.nan, torch.inf
    values[1, 0, 0, 0], values[0, 0, 0, 0] = -torch.inf, -0.0
    x, (_, channel, position) = lay_out(values, dtype, layout), draw((2, 33, 5, 7), dtype)
    for gate in (channel, position):
        found, expected = (apply_gate(x, gate, impl=impl) for impl in ("cpu", "reference"))
        torch.testing.assert_close(found, expected, equal_nan=True)
        assert torch.equal(found.signbit() & ~found.isnan(), expected.signbit() & ~expected.isnan())


def test_halves_are_rounded_to_the_nearest_even():
    x = torch.arange(8192, dtype=torch.int32).mul(32).add(0x3F800000).view(torch.float32).view(1, 8, 32, 32)
    half = x.bfloat16()
    for gate in (torch.rand(1, 8, 1, 1), torch.rand(1, 1, 32, 32)):
        for one in (half, half.to(memory_format=torch.channels_last)):
            assert torch.equal(apply_gate(one, gate, impl="cpu"), (half.float() * gate).bfloat16())


def test_the_gate_may_have_any_dtype_and_layout():
    x, channel, position = draw((2, 6, 3, 4), torch.float32)
    expected = x * channel
    assert torch.equal(apply_gate(x, channel.double(), impl="cpu"), expected)
    assert torch.equal(apply_gate(x, channel.expand(2, 6, 2, 1)[:, :, :1], impl="cpu"), expected)
    assert torch.equal(apply_gate(x, channel > 0, impl="cpu"), x * (channel > 0))
    turned = position.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(apply_gate(x, turned, impl="cpu"), x * position)
    assert fit(x, turned).is_contiguous()


@pytest.mark.parametrize(
    ("x", "gate", "mode"),
    [
        ((2, 3, 4), (2, 3, 1), CHANNEL),
        ((2, 3, 4), (2, 1, 4), POSITION),
        ((2, 1, 4), (2, 1, 1), CHANNEL),
        ((2, 3, 1), (2, 1, 1), POSITION),
        ((2, 3, 4), (1, 3, 1), None),
        ((2, 3, 4), (2, 3, 4), None),
        ((2, 3, 4, 5), (2, 1, 4, 1), None),
        ((2, 3, 4), (2, 3), None),
    ],
)
def test_the_modes_of_gates(x, gate, mode):
    assert mode_of(torch.ones(x), torch.ones(gate)) == mode
