import pytest
import torch

from regard.core.products import autocast_dtype, wide_product, without_autocast


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_products_are_at_least_float32(dtype):
    a, b = torch.full((2, 3, 64), 200.0, dtype=dtype), torch.full((2, 64, 5), 200.0, dtype=dtype)
    y = wide_product(a, b)
    assert y.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(y, torch.full((2, 3, 5), 64 * 40_000.0, dtype=y.dtype))


def test_autocast_does_not_narrow_them():
    a, b = torch.full((1, 64), 200.0), torch.full((64, 1), 200.0)
    with torch.autocast("cpu", torch.float16):
        assert (a @ b).isinf().all()
        assert wide_product(a, b).item() == 64 * 40_000.0
        with without_autocast(a):
            assert (a @ b).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")


def test_the_dtype_that_autocast_computes_in():
    x = torch.zeros(1)
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_dtype(x) == torch.bfloat16
        assert autocast_dtype(x.to("meta")) is None
    assert autocast_dtype(x) is None
