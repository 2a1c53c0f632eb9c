"""A dry run leaves no trace, and finds an input where none is given."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from regard.core import SurgeryError
from regard.surgery.dry_run import first_that_runs, run, undisturbed
from tests.surgery.networks import anatomy, same_anatomy, small_resnet


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return x + torch.randn_like(x) + random.random() + np.random.rand()


def test_buffers_flags_and_chance_are_put_back():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), Counting()).train()
    net[1].eval()
    before, chance = anatomy(net), (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())
    with undisturbed(net):
        assert not any(module.training for module in net.modules())
        assert not net(torch.zeros(2, 3, 4, 4)).requires_grad
    assert same_anatomy(before, anatomy(net))
    assert torch.equal(torch.get_rng_state(), chance[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == chance[1:]


def test_an_exception_is_no_exception():
    net = nn.Sequential(Counting()).train()
    before = anatomy(net)
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117
        with undisturbed(net):
            _ = net(torch.zeros(1)), 1 / 0
    assert same_anatomy(before, anatomy(net))


@pytest.mark.parametrize(
    ("net", "dims"), [(nn.Conv1d(2, 3, 3), 1), (small_resnet(), 2), (nn.Conv3d(2, 3, 3), 3)], ids=["1", "2", "3"]
)
def test_an_input_is_found(net, dims):
    example, result = first_that_runs(net, None, lambda given: run(net, given))
    assert example.ndim == dims + 2
    assert result.shape[0] == 1


def test_a_tuple_is_arguments_and_a_dict_keywords():
    net = nn.Bilinear(2, 2, 1)
    x = torch.zeros(1, 2)
    assert run(net, (x, x)).shape == run(net, {"input1": x, "input2": x}).shape == (1, 1)


def test_a_network_that_takes_nothing_says_so():
    with pytest.raises(SurgeryError, match="example="):
        first_that_runs(nn.Bilinear(2, 2, 1), None, lambda given: 1)
    net = small_resnet()
    with pytest.raises(SurgeryError, match="the example"):
        first_that_runs(net, torch.zeros(1, 7, 8, 8), lambda given: run(net, given))
