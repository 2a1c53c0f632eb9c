"""A device that this machine has not is refused in a sentence."""

import pytest
import torch
from torch import nn

from regard.core import OptionError
from regard.core.devices import device_of, resolve_device, set_threads


def test_auto_is_a_device_that_computes():
    assert torch.ones(2, device=resolve_device("auto")).sum() == 2


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "", "cuda:-1"])
def test_a_name_that_is_no_device(name):
    with pytest.raises(OptionError, match="choose auto, cpu, cuda"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none():
    with pytest.raises(OptionError, match=r"device='cuda' was asked for, but PyTorch .* --device cpu"):
        resolve_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_cuda_device_too_many():
    with pytest.raises(OptionError, match="CUDA devices, numbered from 0"):
        resolve_device(f"cuda:{torch.cuda.device_count()}")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
def test_mps_where_there_is_none():
    with pytest.raises(OptionError, match="sees no Apple GPU"):
        resolve_device("mps")


def test_threads_are_those_asked_for():
    before = torch.get_num_threads()
    try:
        assert set_threads(3) == torch.get_num_threads() == 3
        assert set_threads(None) == 3
    finally:
        torch.set_num_threads(before)
    with pytest.raises(OptionError, match="threads=0"):
        set_threads(0)


def test_the_device_is_that_of_parameters_or_buffers():
    assert device_of(nn.Linear(2, 2, device="meta")).type == "meta"
    assert device_of(nn.BatchNorm1d(2, affine=False, device="meta")).type == "meta"
    assert device_of(nn.ReLU()).type == "cpu"
