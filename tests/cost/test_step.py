"""The training step that is measured is one that trains, on a copy."""

import pytest
import torch
from torch import nn

from regard import models
from regard.core import ShapeError
from regard.cost.step import TrainingStep


def test_it_is_a_step_of_sgd_with_momentum():
    net, x = nn.Linear(3, 2), torch.randn(4, 3)
    weight, momentum = net.weight.detach().clone(), torch.zeros(2, 3)
    bias, bias_momentum = net.bias.detach().clone(), torch.zeros(2)
    step = TrainingStep(net, x)
    for _ in range(3):
        step()
        error = torch.softmax(x @ weight.T + bias, 1) - torch.tensor([1.0, 0.0])
        momentum, bias_momentum = 0.9 * momentum + error.T @ x / 4, 0.9 * bias_momentum + error.mean(0)
        weight, bias = weight - 1e-3 * momentum, bias - 1e-3 * bias_momentum
    assert torch.allclose(step.net.weight, weight, atol=1e-6)
    assert torch.allclose(step.net.bias, bias, atol=1e-6)


def test_the_network_stays_as_it_was():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    TrainingStep(net, torch.randn(5, 3))()
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not any(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_network_that_chooses_is_trained():
    net = models.create("hard_spatial_resnet8", num_classes=3, in_channels=1, seed=0)
    step = TrainingStep(net, torch.randn(4, 1, 12, 12))
    step()
    assert step.net.fc.weight.grad.abs().max() > 0
    assert net.fc.weight.grad is None


@pytest.mark.parametrize("net", [nn.Conv2d(3, 2, 1), nn.LSTM(3, 2)])
def test_outputs_that_are_no_logits_are_refused(net):
    with pytest.raises(ShapeError, match=f"{type(net).__name__}: a training step needs logits"):
        TrainingStep(net, torch.randn(2, 3, 4, 4) if isinstance(net, nn.Conv2d) else torch.randn(2, 5, 3))()
