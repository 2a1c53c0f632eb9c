from functools import partial

import numpy as np
import pytest
import torch
from timm.layers.coord_attn import EfficientLocalAttn
from torch import nn

from regard.attention.mixed.ela import ELA
from regard.core import taps
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, sigmoid
from tests.attention.twins import assert_twins


def group_normalise(z, groups, weight, bias):
    y = np.empty_like(z)
    for n, image in enumerate(z):
        parts = [(part - part.mean()) / np.sqrt(part.var() + 1e-5) for part in np.split(image, groups)]
        y[n] = weight[:, None] * np.concatenate(parts) + bias[:, None]
    return y


def formula(x, p, groups, norm_groups, shared=False):
    """The paper's two strips, or as many as there are position axes."""
    y = x
    for axis in range(2, x.ndim):
        own = 0 if shared else axis - 2
        z = x.mean(tuple(a for a in range(2, x.ndim) if a != axis))
        weight = p[f"convs.{own}.weight"]
        z = convolve(z, weight, padding=weight.shape[2] // 2, groups=groups)
        z = group_normalise(z, norm_groups, p[f"norms.{own}.weight"], p[f"norms.{own}.bias"])
        shape = [size if a in (0, 1, axis) else 1 for a, size in enumerate(x.shape)]
        y = y * sigmoid(z).reshape(shape)
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (2, 6, 1, 8)])
@pytest.mark.parametrize(
    ("options", "groups", "norm_groups"),
    [({}, 6, 2), ({"kernel_size": 3, "groups": 2, "norm_groups": 3}, 2, 3), ({"shared": True, "norm_groups": 1}, 6, 1)],
)
def test_it_is_the_papers_formula(shape, options, groups, norm_groups):
    module, x = drawn(ELA(6, dims=len(shape) - 2, **options)), features(*shape)
    expected = formula(x.numpy(), arrays(module), groups, norm_groups, "shared" in options)
    assert_equal(module(x), expected)


def test_a_case_computed_by_hand():
    module = ELA(1, kernel_size=1, norm_groups=1)
    with torch.no_grad():
        for norm in module.norms:
            norm.bias.zero_()
        module.convs[0].weight.fill_(1e6)
        module.convs[1].weight.zero_()
        module.norms[0].weight.fill_(np.log(3))
    # The rows' means 1 and 3 are normalised to -1 and 1, whose maps are 1/4 and 3/4; the columns' are 1/2.
    y = module(torch.tensor([[[[1.0, 1.0], [3.0, 3.0]]]]))
    torch.testing.assert_close(y, torch.tensor([[[[0.125, 0.125], [1.125, 1.125]]]]))


@pytest.mark.parametrize("kernel_size", [5, 7])
def test_timm_without_its_silu_agrees(kernel_size):
    theirs = EfficientLocalAttn(
        32, kernel_size=kernel_size, act_layer=nn.Identity, norm_layer=partial(nn.GroupNorm, 16)
    )
    assert_twins(ELA(32, kernel_size=kernel_size), theirs, "timm", features(2, 32, 9, 6))


def test_counts_of_the_papers_sizes():
    c = 256
    sizes = {
        "tiny": (ELA(c, kernel_size=5, norm_groups=32), 5 * c),
        "base": (ELA(c), 7 * c),
        "small": (ELA(c, kernel_size=5, groups=c // 8), 5 * 8 * c),
        "large": (ELA(c, groups=c // 8), 7 * 8 * c),
    }
    for module, convolution in sizes.values():
        assert count(module) == 2 * (convolution + 2 * c)
    assert count(ELA(c, shared=True)) == 7 * c + 2 * c
    assert [ELA(c).norms[0].num_groups for c in (256, 24, 3)] == [16, 8, 1]
    assert names(ELA(8, dims=1)) == ["convs.0.weight", "norms.0.weight", "norms.0.bias"]


def test_each_map_lies_along_its_axis():
    module, x, seen = drawn(ELA(6)), features(2, 6, 3, 4), []
    for tap in taps(module).values():
        tap.sink = seen.append
    y = module(x)
    assert [tuple(values.shape) for values in seen] == [(2, 6, 3, 1), (2, 6, 1, 4)]
    torch.testing.assert_close(y, x * seen[0] * seen[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 4}, "ela: kernel_size=4 is not allowed; it must be odd"),
        ({"groups": 3}, r"ela: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"norm_groups": 16}, r"ela: norm_groups=16 is not allowed; it must divide the channels, 8 \(try 8\)"),
        ({"shared": 1}, "ela: shared=1 is not allowed; it must be True or False"),
        ({"dims": 0}, "ela: dims=0 is not allowed; choose one of 1, 2, 3"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        ELA(8, **options)
