import math

import numpy as np
import pytest
import torch

from regard.attention.branch.odconv import ODConv
from regard.attention.exchange import export_weights, import_weights
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import PLAIN_RESNET, assert_equal, count, drawn, features
from tests.attention.formulas import convolve, normalise, positions_mean, relu, sigmoid, softmax


def formula(x, p, *, temperature=1.0, stride=1, groups=1):
    """The four attentions, multiplied into each image's kernel elementwise; `p` in the names of the authors' code.

    An attention that a kernel does not have (positions, several kernels, own filters) has no layer there.
    """

    def layer(name, s):
        weight = p[f"attention.{name}.weight"]
        return s @ weight.reshape(len(weight), -1).T + p.get(f"attention.{name}.bias", 0)

    norm = (p[f"attention.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    hidden = relu(normalise(layer("fc", positions_mean(x)), *norm))

    def gates(name, n):
        if f"attention.{name}.weight" not in p:
            return np.ones((len(x), n))
        return sigmoid(layer(name, hidden) / temperature)

    kernels = p["weight"]
    size = kernels.shape[3:]
    inputs, outputs = gates("channel_fc", x.shape[1]), gates("filter_fc", kernels.shape[1])
    positions = gates("spatial_fc", math.prod(size))
    shares = np.ones((len(x), 1))
    if "attention.kernel_fc.weight" in p:
        shares = softmax(layer("kernel_fc", hidden) / temperature, 1)
    y = []
    for b, image in enumerate(x):
        kernel = np.zeros(kernels.shape[1:])
        per_group, out_of_group = kernels.shape[2], kernels.shape[1] // groups
        for out in range(kernels.shape[1]):
            for c in range(per_group):
                before = out // out_of_group * per_group + c
                mixed = sum(a * k[out, c] for a, k in zip(shares[b], kernels, strict=True))
                kernel[out, c] = outputs[b, out] * inputs[b, before] * positions[b].reshape(size) * mixed
        y.append(convolve(image[None], kernel, stride=stride, padding=size[0] // 2, groups=groups))
    return np.concatenate(y)


def official(module):
    return {name: values.numpy() for name, values in export_weights(module, "official").items()}


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("options", [{}, {"kernels": 1}, {"kernel_size": 1}, {"groups": 6}, {"temperature": 3.0}])
def test_it_is_the_formula_of_the_authors_code(shape, options):
    module, x = drawn(ODConv(6, dims=len(shape) - 2, **options)), features(*shape)
    known = {key: options[key] for key in ("groups", "temperature") if key in options}
    assert_equal(module(x), formula(x.numpy(), official(module), **known), rtol=1e-10)


@pytest.mark.parametrize("size", [(7, 5), (8, 6), (1, 1)])
def test_it_may_change_channels_and_size(size):
    module = drawn(ODConv(6, out_channels=9, stride=2, groups=3, kernel_size=5, kernels=3))
    x = features(2, 6, *size)
    y = module(x)
    assert y.shape == (2, 9, *(math.ceil(n / 2) for n in size))
    assert_equal(y, formula(x.numpy(), official(module), stride=2, groups=3), rtol=1e-10)


def test_a_case_computed_by_hand():
    module = ODConv(1, out_channels=2, kernels=1, dims=1).eval()
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.score_inputs.bias.fill_(math.log(3))
        module.score_outputs.bias.copy_(torch.tensor([-math.log(3), 0.0]))
        module.score_places.bias.copy_(torch.tensor([0.0, math.log(3), 0.0]))
        module.kernels[0].weight.copy_(torch.tensor([[[2.0, 4.0, 8.0]], [[0.0, 16.0, 0.0]]]))
    # The input has 3/4, the outputs 1/4 and 1/2, the positions 1/2, 3/4 and 1/2: the first kernel is
    # (1, 3, 4) * 3/16, the second 12 * 3/8 in the middle.
    expected = torch.tensor([[[12.0, 9.0, 3.0], [0.0, 72.0, 0.0]]])
    torch.testing.assert_close(module(torch.tensor([[[0.0, 16.0, 0.0]]])), expected)


def od_resnet(depth, kernels):
    """The parameters of a ResNet whose blocks' convolutions are all omni-dimensional."""
    total, inputs, blocks = PLAIN_RESNET[depth], 64, {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[depth]
    for width, number in zip((64, 128, 256, 512), blocks, strict=True):
        for _ in range(number):
            if depth == 18:
                shapes = [(inputs, width, 3), (width, width, 3)]
            else:
                shapes = [(inputs, width, 1), (width, width, 3), (width, 4 * width, 1)]
            for before, after, size in shapes:
                module = ODConv(before, out_channels=after, kernel_size=size, kernels=kernels)
                total += count(module) - before * after * size**2
            inputs = shapes[-1][1]
    return total


@pytest.mark.parametrize(
    ("depth", "kernels", "millions"),
    [(18, 1, 11.94), (18, 4, 44.90), (50, 1, 28.64), (50, 4, 90.67), (101, 1, 50.82), (101, 2, 90.44)],
)
def test_counts_of_the_released_networks(depth, kernels, millions):
    assert round(od_resnet(depth, kernels) / 1e6, 2) == millions


def test_weights_of_the_authors_code_come_and_go():
    module = drawn(ODConv(8, out_channels=6))
    theirs = export_weights(module, "official")
    shapes = {name: tuple(values.shape) for name, values in theirs.items() if name.endswith("weight")}
    assert shapes == {
        "attention.fc.weight": (16, 8, 1, 1),
        "attention.bn.weight": (16,),
        "attention.channel_fc.weight": (8, 16, 1, 1),
        "attention.filter_fc.weight": (6, 16, 1, 1),
        "attention.spatial_fc.weight": (9, 16, 1, 1),
        "attention.kernel_fc.weight": (4, 16, 1, 1),
        "weight": (4, 6, 8, 3, 3),
    }
    other = drawn(ODConv(8, out_channels=6), seed=7)
    import_weights(other, theirs, "official")
    x = features(2, 8, 5, 4)
    assert torch.equal(other(x), module(x))


def test_it_works_in_channels_last():
    module, x = ODConv(8).eval(), torch.randn(2, 8, 5, 4)
    y = module(x)
    last = torch.channels_last
    torch.testing.assert_close(module.to(memory_format=last)(x.to(memory_format=last)), y)


def test_attentions_of_size_one_are_left_out():
    assert ODConv(8, groups=8).score_outputs is None
    assert ODConv(8, groups=8, out_channels=16).score_outputs is not None
    assert ODConv(8, kernel_size=1).positions is None
    assert ODConv(8, kernels=1).select is None


def test_the_four_maps_have_their_shapes():
    module, seen = drawn(ODConv(6, out_channels=4)), {}
    for name in ("inputs", "outputs", "positions", "select"):
        getattr(module, name).sink = lambda values, name=name: seen.update({name: tuple(values.shape)})
    module(features(2, 6, 5, 4))
    assert seen == {
        "inputs": (2, 6, 1, 1),
        "outputs": (2, 4, 1, 1),
        "positions": (2, 1, 3, 3),
        "select": (2, 4, 1, 1, 1),
    }


def test_it_starts_as_the_authors_networks():
    torch.manual_seed(0)
    module = ODConv(256)
    assert module.kernels[3].weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert module.score_inputs.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert not any(layer.bias.any() for layer in (module.score_inputs, module.score_kernels))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 3}, r"odconv: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"kernels": 0}, "odconv: kernels=0 is not allowed; it must be an integer of at least 1"),
        ({"kernel_size": 2}, "odconv: kernel_size=2 is not allowed; it must be odd"),
        ({"stride": 0}, "odconv: stride=0 is not allowed"),
        ({"out_channels": 0}, "odconv: out_channels=0 is not allowed"),
        ({"reduction": 0}, "odconv: reduction=0 is not allowed"),
        ({"temperature": -1.0}, "odconv: temperature=-1.0 is not allowed; it must be a number above 0"),
        ({"strict": 1}, "odconv: strict=1 is not allowed; it must be True or False"),
        ({"dims": 4}, "odconv: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"start": "identity", "out_channels": 4}, "start='identity' is not allowed with"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        ODConv(8, **options)


def test_a_single_image_warns_or_is_refused():
    with pytest.warns(UserWarning, match="one value per channel"):
        ODConv(8)(torch.randn(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="batches of two or more"):
        ODConv(8, strict=True)(torch.randn(1, 8, 4, 4))
