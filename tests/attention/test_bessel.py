import numpy as np
import pytest
import torch

from regard.attention.bessel import bessel
from tests.attention.drawn import features


@pytest.mark.parametrize("size", [(2,), (3, 5), (2, 1, 4)])
def test_it_makes_a_biased_variance_unbiased(size):
    x = features(1, 1, *size)
    np.testing.assert_allclose(np.var(x.numpy()) * bessel(x).item(), np.var(x.numpy(), ddof=1))


def test_a_single_position_needs_no_correction():
    assert bessel(torch.zeros(2, 3, 1, 1).half()).item() == 1
    assert bessel(torch.zeros(2, 3, 1, 1).half()).dtype == torch.float32
