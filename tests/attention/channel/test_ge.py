import itertools

import numpy as np
import pytest
import torch
from timm.layers import GatherExcite

from regard.attention.channel.ge import GE
from regard.core.errors import OptionError, ShapeError
from tests.attention.channel.test_fca import average
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.formulas import affine, convolve, normalise, over_positions, positions_mean, relu, sigmoid
from tests.attention.twins import assert_twins

SIZES = dict(zip((256, 512, 1024, 2048), (56, 28, 14, 7), strict=True))
"""The kernels of the authors' ResNet-50 by the channels of a stage."""


def windows(x, extent):
    """The mean of each window of 2 extent - 1 positions, of those inside, at every extent-th position."""
    sizes = x.shape[2:]
    cells = [range(0, n, extent) for n in sizes]
    y = np.empty((*x.shape[:2], *map(len, cells)))
    for cell in itertools.product(*(range(len(c)) for c in cells)):
        window = tuple(slice(max(c[i] - extent + 1, 0), c[i] + extent) for i, c in zip(cell, cells, strict=True))
        y[(slice(None), slice(None), *cell)] = x[(slice(None), slice(None), *window)].mean(tuple(range(2, x.ndim)))
    return y


def convolutions(x, p, extent):
    """Normalised depthwise convolutions with a relu between them."""
    for number in range(1, max(extent, 2).bit_length()):
        weight = p[f"gather.conv{number}.weight"]
        x = convolve(x, weight, stride=2 if extent else 1, padding=1 if extent else 0, groups=x.shape[1])
        path = f"gather.norm{number}"
        x = normalise(x, *(p[f"{path}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")))
        x = relu(x) if f"gather.conv{number + 1}.weight" in p else x
    return x


def nearest(z, sizes):
    """Each position's value from the cell it lies in."""
    for axis, n in enumerate(sizes, start=2):
        z = z.take([i * z.shape[axis] // n for i in range(n)], axis)
    return z


def formula(x, p, extent, form, size=7):
    """Equation 1 of the paper: gathered, excited, rescaled."""
    if form == "theta_minus":
        z = windows(x, extent) if extent else over_positions(positions_mean(x), x)
    else:
        z = convolutions(x if extent or x.shape[2:] == (size, size) else average(x, size), p, extent)
    if form == "theta_plus":
        cells = relu(z).reshape(*z.shape[:2], -1).transpose(0, 2, 1).reshape(-1, z.shape[1])
        hidden = relu(affine(p["reduce.weight"], cells, p["reduce.bias"]))
        cells = affine(p["expand.weight"], hidden, p["expand.bias"])
        z = cells.reshape(x.shape[0], -1, x.shape[1]).transpose(0, 2, 1).reshape(z.shape)
    return x * sigmoid(nearest(z, x.shape[2:]) if extent else z)


@pytest.mark.parametrize("shape", [(3, 6, 8, 8), (2, 6, 7, 5), (1, 6, 1, 1), (2, 6, 1, 9), (2, 6, 17, 6)])
@pytest.mark.parametrize("form", ["theta_minus", "theta", "theta_plus"])
@pytest.mark.parametrize("extent", [0, 2, 4, 8])
def test_it_is_the_papers_formula(shape, form, extent):
    module, x = drawn(GE(6, extent=extent, form=form, reduction=2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), extent, form), rtol=1e-10)


@pytest.mark.parametrize("shape", [(2, 6, 9), (2, 6, 3, 5, 2)])
@pytest.mark.parametrize("form", ["theta_minus", "theta", "theta_plus"])
@pytest.mark.parametrize("extent", [2, 4])
def test_sound_and_clips(shape, form, extent):
    module = drawn(GE(6, extent=extent, form=form, reduction=2, dims=len(shape) - 2))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), extent, form), rtol=1e-10)


@pytest.mark.parametrize("extent", [0, 2, 4, 8])
@pytest.mark.parametrize("size", [(16, 8), (7, 5), (9, 12)])
def test_timm_without_parameters_agrees(extent, size):
    theirs = GatherExcite(6, extent=extent, use_mlp=False)
    assert_twins(GE(6, extent=extent), theirs, "timm", features(2, 6, *size))


def test_a_case_computed_by_hand():
    x = torch.log(torch.tensor([3.0, 1.0, 9.0, 1.0])).reshape(1, 1, 4).double()
    # The windows around the first and the third position have the means log 3 / 2 and log 9 / 3.
    y = GE(1, extent=2, dims=1)(x) / x.where(x != 0, 1)
    first, second = (3**power / (1 + 3**power) for power in (1 / 2, 2 / 3))
    assert y.flatten().tolist() == pytest.approx([first, 0.0, second, 0.0])


def test_counts_of_the_authors_networks():
    # Summed over the layers of the released network files; the one with the bottleneck has one bias of 1,024 more.
    totals = {"theta_minus": 25_557_032, "theta": 31_106_600, "theta_plus": 33_638_616 - 1_024}
    for form, total in totals.items():
        added = sum(n * count(GE(c, form=form, size=SIZES[c])) for c, n in block_outputs(50))
        assert PLAIN_RESNET[50] + added == total


def test_parameters_stand_in_the_order_of_the_formula():
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names(GE(8, extent=4, form="theta_plus")))
    assert list(layers) == ["gather.conv1", "gather.norm1", "gather.conv2", "gather.norm2", "reduce", "expand"]
    assert names(GE(8)) == []


def test_it_starts_as_the_authors_networks():
    torch.manual_seed(0)
    module = GE(512, form="theta_plus", size=14)
    assert module.gather.conv1.weight.std().item() == pytest.approx((2 / 14**2) ** 0.5, rel=0.02)
    assert module.reduce.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not module.reduce.bias.any()
    assert not module.expand.bias.any()


@pytest.mark.parametrize(("extent", "kind", "size"), [(0, "gate", (1, 1)), (4, "mixed", (7, 5))])
def test_the_map_is_over_channels_or_values(extent, kind, size):
    module, x, seen = GE(6, extent=extent), features(2, 6, 7, 5), []
    module.gate.sink = seen.append
    y = module(x)
    assert module.gate.kind.name == kind
    assert seen[0].shape == (2, 6, *size)
    assert torch.equal(y, x * seen[0])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"extent": 3}, "ge: extent=3 is not allowed; choose one of 0, 2, 4, 8"),
        ({"form": "theta+"}, "ge: form='theta\\+' is not allowed; choose one of 'theta_minus', 'theta', 'theta_plus'"),
        ({"reduction": 0}, "ge: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"size": 0}, "ge: size=0 is not allowed; it must be an integer of at least 1"),
        ({"dims": 4}, "ge: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"strict": 1}, "ge: strict=1 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        GE(8, **options)


def test_a_single_image_warns_or_is_refused():
    with pytest.warns(UserWarning, match="one value per channel"):
        GE(8, form="theta")(torch.randn(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="batches of two or more"):
        GE(8, form="theta", strict=True)(torch.randn(1, 8, 4, 4))
