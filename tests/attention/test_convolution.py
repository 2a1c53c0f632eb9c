import pytest
import torch
from torch import nn

from regard.attention.convolution import Conv3d, convolution
from regard.core import OptionError
from regard.testing import allowed_difference


def test_there_is_one_for_each_number_of_axes():
    assert [convolution("sk", d) for d in (1, 2, 3)] == [nn.Conv1d, nn.Conv2d, Conv3d]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_half_has_the_gradient_of_a_kernel_larger_than_the_features(dtype, groups, autocast):
    """PyTorch's own layer leaves some of it unwritten; memory full of NaN, given back just before, shows that."""
    torch.manual_seed(0)
    exact = nn.Conv3d(4, 4, 3, padding=1, groups=groups).to(dtype).double()
    x = torch.randn(2, 4, 2, 1, 3).to(dtype)
    upstream = torch.randn(2, 4, 2, 1, 3).to(dtype)
    exact(x.double()).backward(upstream.double())
    for _ in range(20):
        layer = Conv3d(4, 4, 3, padding=1, groups=groups)
        layer.load_state_dict(exact.state_dict())
        layer = layer if autocast else layer.to(dtype)
        given = x.float() if autocast else x
        junk = [torch.full((n,), torch.nan) for n in (64, 256, 1024, 4096)]
        del junk
        with torch.autocast("cpu", dtype, enabled=autocast):
            y = layer(given.contiguous(memory_format=torch.channels_last_3d))
        y.backward(upstream.to(y.dtype))
        for ours, theirs in zip(layer.parameters(), exact.parameters(), strict=True):
            allowed = allowed_difference(dtype, x.numel()) * float(theirs.grad.abs().max())
            assert float((ours.grad.double() - theirs.grad).abs().max()) <= allowed


def test_it_is_pytorchs_layer_in_float32():
    torch.manual_seed(0)
    ours, theirs = Conv3d(4, 6, 3, stride=2, padding=1, groups=2), nn.Conv3d(4, 6, 3, stride=2, padding=1, groups=2)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 4, 5, 4, 3)
    assert torch.equal(ours(x), theirs(x))


def test_another_number_is_refused_in_the_owners_name():
    with pytest.raises(OptionError, match="sk: dims=4 is not allowed; choose one of 1, 2, 3"):
        convolution("sk", 4)
