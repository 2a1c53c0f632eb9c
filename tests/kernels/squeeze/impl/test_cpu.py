import pytest
import torch

from regard.kernels import squeeze_positions
from tests.kernels.cases import (
    DTYPES,
    LAYOUTS,
    SQUEEZES,
    UNITS,
    assert_as_good,
    assert_on_everything,
    assert_on_representatives,
    error,
    lay_out,
    needs_extension,
    run,
    run_oracle,
    squeeze_and_gate,
)

pytestmark = needs_extension
by_layout = pytest.mark.parametrize("layout", LAYOUTS)


def with_weights(values, dtype, layout):
    x = lay_out(values, dtype, layout)
    wide = torch.promote_types(dtype, torch.float32)
    return x, torch.ones(*x.shape[:2], 1, 1, dtype=wide), torch.ones(x.shape[0], 1, *x.shape[2:], dtype=wide)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SQUEEZES)
def test_it_is_as_good_as_the_oracle(name, dtype):
    assert_on_representatives(SQUEEZES[name], dtype)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SQUEEZES)
def test_it_is_as_good_on_everything(name, dtype):
    assert_on_everything(SQUEEZES[name], dtype)


@by_layout
@pytest.mark.parametrize("name", ["mean", "mean+max", "power"])
def test_long_rows_lose_no_digits(name, layout):
    for values in (torch.rand(1, 3, 512, 512), torch.randn(1, 3, 512, 512)):
        assert_as_good(SQUEEZES[name], [with_weights(values, torch.float32, layout)], layout, units=UNITS + 1)


def spread(values, layout, impl):
    """The mean, the standard deviation and the gradient of the features for an upstream of ones."""
    x = lay_out(values, torch.float64 if impl == "true" else torch.float32, layout).requires_grad_()
    mean, std = squeeze_positions(x, "mean", "std", impl="reference" if impl == "true" else impl)
    std.sum().backward()
    return mean.detach(), std.detach(), x.grad


@by_layout
@pytest.mark.parametrize("first", [None, 0.0, 1e4], ids=["its own", "zero", "far away"])
@pytest.mark.parametrize("mean", [0, 1000])
@pytest.mark.parametrize("size", [56, 512])
def test_the_deviation_stands_large_means_and_outliers(size, mean, first, layout):
    values = mean + torch.randn(1, 5, size, size)
    if first is not None:
        values[:, :, 0, 0] = first
    true, plain, found = (spread(values, layout, impl) for impl in ("true", "reference", "cpu"))
    # The kernel adds u + v * x, which cost two more roundings of the mean than v * (x - mean) does.
    for times, *tensors in zip((1.5, 1.5, 4), found, plain, true, strict=True):
        result, oracle, truth = tensors
        assert error(result, truth) <= max(times * error(oracle, truth), 5)


@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_share_the_gradient(dtype, layout):
    compute = squeeze_and_gate("mean", "max")
    for values in (
        torch.zeros(2, 33, 5, 7),
        torch.full((2, 33, 5, 7), -1.5),
        torch.randn(2, 33, 5, 7).relu(),
        torch.randn(2, 33, 5, 7).round(),
        torch.tensor([0.0, -0.0]).repeat(2, 33, 5, 4),
        torch.full((1, 3, 5, 7), -torch.inf),
    ):
        inputs = with_weights(values, dtype, layout)
        if values.isinf().any():
            assert all(torch.equal(*pair) for pair in zip(*_maxima(inputs[0]), strict=True))
        else:
            assert_as_good(compute, [inputs], f"{values.flatten()[:3]}")


def _maxima(x):
    """The maximum and its gradient, by the kernels and by the oracle."""

    def peak(x):
        return list(squeeze_positions(x, "max"))

    return run(peak, [x]), run_oracle(peak, [x])


@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("at", [0, 1, 17, 34])
def test_a_maximum_that_is_no_number_is_seen(at, dtype, layout):
    values = torch.randn(2, 33, 5, 7)
    values[1, ::2].view(-1, 35)[:, at] = torch.nan
    values[0, ::3].view(-1, 35)[:, at] = torch.inf
    x = lay_out(values, dtype, layout)
    for statistics in (("max",), ("mean", "max")):
        found, expected = (squeeze_positions(x, *statistics, impl=impl) for impl in ("cpu", "reference"))
        assert torch.equal(found[-1].nan_to_num(9), expected[-1].nan_to_num(9))
    for statistic in ("mean", "power"):
        found, expected = (squeeze_positions(x, statistic, impl=impl)[0] for impl in ("cpu", "reference"))
        torch.testing.assert_close(found, expected, equal_nan=True)
    mean, std = squeeze_positions(x, "mean", "std", impl="cpu")
    torch.testing.assert_close(std.isfinite(), mean.isfinite())


def test_a_channel_without_a_number_spoils_no_other():
    for layout in LAYOUTS:
        values = torch.randn(2, 33, 5, 7)
        values[1, 4, 2, 2] = torch.nan
        (_, found), (_, expected) = _maxima(lay_out(values, torch.float32, layout))
        others = torch.arange(33) != 4
        assert torch.equal(found[:, others], expected[:, others])


def test_nothing_changes_without_gradients():
    for layout in LAYOUTS:
        inputs = with_weights(torch.randn(2, 5, 3, 3), torch.float64, layout)
        for compute in SQUEEZES.values():
            with torch.no_grad():
                found = compute(*inputs)
            for one, other in zip(found, run_oracle(compute, inputs), strict=False):
                torch.testing.assert_close(one, other)
