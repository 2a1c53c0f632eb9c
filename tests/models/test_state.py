"""A state is loaded whole or not at all."""

import pytest
import torch

from regard import models
from regard.core import CheckpointError


@pytest.fixture
def net():
    return models.create("se_resnet8", num_classes=4, seed=0)


def unchanged(net) -> bool:
    fresh = models.create("se_resnet8", num_classes=4, seed=0).state_dict()
    return all(torch.equal(value, fresh[name]) for name, value in net.state_dict().items())


def test_a_fitting_state_is_loaded(net):
    other = models.create("se_resnet8", num_classes=4, seed=1)
    other(torch.randn(2, 3, 8, 8))
    assert models.load_state(net, other.state_dict()) is net
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in net.state_dict().items())


def test_another_dtype_is_converted(net):
    half = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    models.load_state(net, half)
    assert net.fc.weight.dtype == torch.float32
    assert torch.equal(net.fc.weight, half["fc.weight"].float())


def change(state, **changes):
    state = {name: value + 1 for name, value in state.items()}
    return {name: value for name, value in (state | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fc.bias": None}, r"1 are missing \(fc.bias\)"),
        ({"fc.scale": torch.zeros(1)}, r"1 are not in the network \(fc.scale\)"),
        ({"fc.bias": torch.zeros(5)}, r"1 have another shape \(fc.bias \(5,\) instead of \(4,\)\)"),
        ({"fc.bias": 3.0}, r"1 have another shape \(fc.bias a float, no tensor"),
    ],
)
def test_one_wrong_tensor_refuses_all(net, changes, said):
    with pytest.raises(CheckpointError, match=f"this se_resnet8: {said}.*Nothing was loaded"):
        models.load_state(net, change(net.state_dict(), **changes))
    assert unchanged(net)


def test_the_error_counts_all_and_shows_some(net):
    plain = models.create("cbam_resnet20", num_classes=7).state_dict()
    with pytest.raises(CheckpointError) as caught:
        models.load_state(net, plain)
    text = str(caught.value)
    missing, unexpected = len(net.state_dict().keys() - plain.keys()), len(plain.keys() - net.state_dict().keys())
    assert f"{missing} are missing" in text
    assert f"{unexpected} are not in the network" in text
    assert f"and {unexpected - 5} more" in text
    assert "fc.weight (7, 64) instead of (4, 64)" in text
    assert unchanged(net)
