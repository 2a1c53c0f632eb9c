import copy

import pytest
import torch
from torch import nn

from regard.attention.convolution import CONVOLUTIONS, Conv1d, Conv2d, Conv3d, convolution
from regard.core import OptionError
from regard.testing import allowed_difference


def test_there_is_one_for_each_number_of_axes():
    assert [convolution("sk", d) for d in (1, 2, 3)] == [Conv1d, Conv2d, Conv3d]


LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
SMALL = {
    "a kernel larger than the features": (3, (2, 4, 2, 1, 3), {"kernel_size": 3, "padding": 1}),
    "a stride larger than the features, one axis": (1, (1, 20, 3), {"kernel_size": 3, "padding": 1, "stride": 5}),
    "a stride larger than the features, two axes": (2, (1, 4, 3, 3), {"kernel_size": 5, "padding": 2, "stride": 7}),
}


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_half_has_every_gradient(small, dtype, groups, autocast):
    """PyTorch's own layer leaves some of it unwritten; memory full of NaN, given back just before, shows that."""
    torch.manual_seed(0)
    dims, size, options = SMALL[small]
    kind, width = CONVOLUTIONS[dims], size[1]
    exact = kind(width, width, **options, groups=groups).to(dtype).double()
    x = torch.randn(size).to(dtype)
    y = exact(x.double())
    upstream = torch.randn(y.shape).to(dtype)
    y.backward(upstream.double())
    for _ in range(20):
        layer = kind(width, width, **options, groups=groups)
        layer.load_state_dict(exact.state_dict())
        layer = layer if autocast else layer.to(dtype)
        given = x.float() if autocast else x
        junk = [torch.full((n,), torch.nan) for n in (16, 64, 128, 256, 512, 1024, 4096)]
        del junk
        with torch.autocast("cpu", dtype, enabled=autocast):
            y = layer(given if dims == 1 else given.contiguous(memory_format=LAST[dims]))
        y.backward(upstream.to(y.dtype))
        for ours, theirs in zip(layer.parameters(), exact.parameters(), strict=True):
            allowed = allowed_difference(dtype, x.numel()) * float(theirs.grad.abs().max())
            assert float((ours.grad.double() - theirs.grad).abs().max()) <= allowed


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_pytorchs_layer_in_float32(dims, stride):
    torch.manual_seed(0)
    ours = CONVOLUTIONS[dims](4, 6, 3, stride=stride, padding=1, groups=2)
    theirs = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](4, 6, 3, stride=stride, padding=1, groups=2)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 4, 5, 4, 3)[(..., *[0] * (3 - dims))]
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("dims", "size"), [(1, (40,)), (2, (3, 40))])
def test_a_long_depthwise_kernel_in_float16_ends(dims, size, autocast):
    x = torch.randn(2, 4, *size).half()
    exact = CONVOLUTIONS[dims](4, 4, (1,) * (dims - 1) + (21,), padding="same", groups=4).half().double()
    layer = copy.deepcopy(exact).to(torch.float32 if autocast else torch.float16)
    with torch.no_grad(), torch.autocast("cpu", torch.float16, enabled=autocast):
        y = layer(x.float() if autocast else x)
    torch.testing.assert_close(y.double(), exact(x.double()), rtol=0, atol=1e-2)


def test_another_number_is_refused_in_the_owners_name():
    with pytest.raises(OptionError, match="sk: dims=4 is not allowed; choose one of 1, 2, 3"):
        convolution("sk", 4)
