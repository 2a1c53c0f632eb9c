import pytest
import torch

from regard.attention.part_norm import PartNorm
from tests.attention.drawn import drawn, features


@pytest.mark.parametrize("shape", [(2, 6, 5), (3, 6, 4, 7), (2, 6, 2, 3, 4)])
def test_equal_parts_are_group_normalisation(shape):
    module, x = drawn(PartNorm((2, 2, 2))), features(*shape)
    theirs = torch.nn.functional.group_norm(x, 3, module.weight, module.bias)
    torch.testing.assert_close(module(x), theirs, rtol=1e-11, atol=1e-12)


def test_unequal_parts_are_normalised_each_by_itself():
    module, x = drawn(PartNorm((1, 3, 2))), features(2, 6, 5, 4)
    y = module(x)
    start = 0
    for size in (1, 3, 2):
        part = slice(start, start + size)
        alone = torch.nn.functional.group_norm(x[:, part], 1, module.weight[part], module.bias[part])
        torch.testing.assert_close(y[:, part], alone, rtol=1e-11, atol=1e-12)
        start += size


def test_positions_that_do_not_count_change_nothing():
    module, x = drawn(PartNorm((2, 1))), features(2, 3, 4, 5)
    counts = torch.zeros(4, 5, dtype=torch.float64)
    counts[:3, :2] = 1
    y = module(torch.where(counts.bool(), x, 1e6), counts)
    torch.testing.assert_close(y[..., :3, :2], module(x[..., :3, :2]), rtol=1e-9, atol=1e-9)
    assert not y[:, :, counts == 0].any()


def test_a_single_value_gives_its_bias():
    module, x = drawn(PartNorm((1, 1))), features(1, 2, 1).requires_grad_()
    y = module(x)
    torch.testing.assert_close(y.flatten(), module.bias)
    y.sum().backward()
    assert not x.grad.any()


def test_float16_features_are_normalised_in_float32():
    x = (200 + 300 * torch.randn(2, 4, 8, 8)).half()
    y = PartNorm((2, 2)).half()(x)
    assert y.dtype == torch.float32
    assert y.isfinite().all()
