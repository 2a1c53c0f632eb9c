"""A wrong output or gradient is found and named, rounding is not."""

import pytest
import torch

from regard.recipes.bench_agreement import FEATURES, OUTPUT, disagreement


def tensors(**other):
    generator = torch.Generator().manual_seed(0)
    found = {OUTPUT: torch.randn(64, 64, generator=generator), FEATURES: torch.randn(64, 64, generator=generator)}
    return found | {"the gradient of weight": torch.randn(8, 8, generator=generator)} | other


def test_rounding_is_no_disagreement():
    found = {name: tensor * (1 + 1e-5) for name, tensor in tensors().items()}
    assert disagreement(found, tensors()) is None


@pytest.mark.parametrize("name", tensors())
def test_a_scaled_tensor_is_named(name):
    found = tensors()
    found[name] = found[name] * 1.01
    assert disagreement(found, tensors()) == f"{name} differs by 1.0e-02 of its norm"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_wrong(wrong):
    found = tensors()
    found[FEATURES][3, 5] = wrong
    assert FEATURES in disagreement(found, tensors())


def test_one_wrong_value_of_the_output_is_wrong():
    found = tensors()
    found[OUTPUT][3, 5] += 0.02
    assert disagreement(found, tensors()) == "the output differs by up to 2.0e-02 where its largest value is 4.1e+00"


def test_rounding_of_a_vanishing_gradient_is_ignored():
    expected = tensors(**{"the gradient of bias": torch.zeros(8)})
    assert disagreement(expected | {"the gradient of bias": torch.full((8,), 1e-6)}, expected) is None
    assert disagreement(expected | {"the gradient of bias": torch.ones(8)}, expected) is not None


def test_a_missing_or_misshapen_tensor_is_named():
    assert disagreement({OUTPUT: tensors()[OUTPUT]}, tensors()) == f"{FEATURES} is missing"
    assert "has shape (4,) instead of (8, 8)" in disagreement(
        tensors(**{"the gradient of weight": torch.zeros(4)}), tensors()
    )
