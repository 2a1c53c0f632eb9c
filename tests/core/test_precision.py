import pytest
import torch

from regard.core.precision import wide, widen


@pytest.mark.parametrize(
    ("narrow", "wider"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_floats_are_widened_to_at_least_float32(narrow, wider):
    assert wide(narrow) == wider
    x = torch.tensor([0.1, -2.0], dtype=narrow)
    assert widen(x).dtype == wider
    assert torch.equal(widen(x).to(narrow), x)


def test_what_is_wide_enough_is_not_copied():
    x = torch.zeros(3)
    assert widen(x) is x
