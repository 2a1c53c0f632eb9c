import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.cpca import CPCA
from regard.core.errors import CheckpointError, OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import affine, convolve, over_positions, positions_max, positions_mean, relu, sigmoid


def gelu(z):
    return np.vectorize(lambda value: value * (1 + math.erf(value / math.sqrt(2))) / 2)(z)


def along(z, weight, bias):
    """A depthwise strip: for each channel a correlation along the one axis of more than one position."""
    axis = int(np.argmax(weight.shape[2:])) + 2
    lines = np.moveaxis(z, axis, -1)
    y = np.empty_like(lines)
    for c in range(z.shape[1]):
        kernel = weight[c].ravel()
        y[:, c] = np.apply_along_axis(lambda line, k=kernel: correlate(line, k), -1, lines[:, c]) + bias[c]
    return np.moveaxis(y, -1, axis)


def correlate(line, kernel):
    padded = np.pad(line, len(kernel) // 2)
    return np.array([padded[i : i + len(kernel)] @ kernel for i in range(len(line))])


def attend(x, p, sigmoids):
    """The paper's equations."""

    def mlp(s):
        hidden = relu(affine(p["reduce.weight"], s, p["reduce.bias"]))
        return affine(p["expand.weight"], hidden, p["expand.bias"])

    mean, peak = mlp(positions_mean(x)), mlp(positions_max(x))
    u = x * over_positions(sigmoid(mean) + sigmoid(peak) if sigmoids == "each" else sigmoid(mean + peak), x)
    near = convolve(u, p["around.weight"], p["around.bias"], padding=2, groups=x.shape[1])
    total = near
    for i in range(3):
        strip = near
        for j in range(x.ndim - 2):
            strip = along(strip, p[f"strips.{i}.{j}.weight"], p[f"strips.{i}.{j}.bias"])
        total = total + strip
    return u * convolve(total, p["mix.weight"], p["mix.bias"])


@pytest.mark.parametrize("shape", [(2, 6, 7, 12), (2, 6, 25), (1, 6, 3, 5, 4), (1, 6, 1, 1)])
@pytest.mark.parametrize("sigmoids", ["each", "sum"])
def test_it_is_the_papers_formula(shape, sigmoids):
    module, x = drawn(CPCA(6, sigmoids=sigmoids, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), attend(x.numpy(), arrays(module), sigmoids), rtol=1e-9, atol=1e-9)


def test_with_projections_it_is_the_authors_block():
    module, x = drawn(CPCA(6, projections=True)), features(2, 6, 7, 5)
    p = arrays(module)
    z = attend(gelu(convolve(x.numpy(), p["mix.weight"], p["mix.bias"])), p, "each")
    assert_equal(module(x), convolve(z, p["mix.weight"], p["mix.bias"]), rtol=1e-9, atol=1e-9)
    assert CPCA(6).facts.bare
    assert not module.facts.bare


def test_torchs_layers_under_the_authors_names_agree():
    module, x = drawn(CPCA(6, projections=True)), features(2, 6, 9, 24)
    p = export_weights(module, "official")
    functional = torch.nn.functional

    def mlp(s):
        hidden = functional.conv2d(s, p["ca.fc1.weight"], p["ca.fc1.bias"]).relu()
        return functional.conv2d(hidden, p["ca.fc2.weight"], p["ca.fc2.bias"]).sigmoid()

    def depthwise(z, name, padding):
        return functional.conv2d(z, p[f"{name}.weight"], p[f"{name}.bias"], padding=padding, groups=6)

    z = functional.gelu(functional.conv2d(x, p["conv.weight"], p["conv.bias"]))
    u = z * (mlp(functional.adaptive_avg_pool2d(z, 1)) + mlp(functional.adaptive_max_pool2d(z, 1)))
    near = depthwise(u, "dconv5_5", 2)
    far = sum(depthwise(depthwise(near, f"dconv1_{k}", (0, k // 2)), f"dconv{k}_1", (k // 2, 0)) for k in (7, 11, 21))
    gated = u * functional.conv2d(far + near, p["conv.weight"], p["conv.bias"])
    expected = functional.conv2d(gated, p["conv.weight"], p["conv.bias"])
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-9)


def test_a_case_computed_by_hand():
    module = CPCA(1, dims=1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.expand.bias.fill_(math.log(3))
        module.around.weight[0, 0, 2] = 1.0
        module.strips[0][0].weight[0, 0, 4] = 2.0
        module.mix.weight.fill_(1.0)
    # The channel's weight is 3/4 twice; each value is rescaled by itself and twice its right neighbour, of 1.5 x.
    y = module(torch.tensor([[[2.0, 4.0]]]))
    assert y.flatten().tolist() == pytest.approx([3.0 * (3.0 + 12.0), 6.0 * 6.0])


def test_counts_by_hand():
    strips = sum(2 * 64 * (k + 1) for k in (7, 11, 21))
    expected = (2 * 64 * 16 + 16 + 64) + 64 * 26 + strips + 64 * 65
    assert count(CPCA(64)) == expected
    assert count(CPCA(64, projections=True)) == expected


def test_weights_of_the_authors_code_come_and_go():
    module, other = (drawn(CPCA(8, projections=True), seed=seed) for seed in (1, 7))
    theirs = export_weights(module, "official")
    assert tuple(theirs["dconv1_21.weight"].shape) == (8, 1, 1, 21)
    assert tuple(theirs["dconv21_1.weight"].shape) == (8, 1, 21, 1)
    assert tuple(theirs["ca.fc1.weight"].shape) == (2, 8, 1, 1)
    import_weights(other, theirs, "official")
    with pytest.raises(CheckpointError, match="build it with projections=True"):
        import_weights(CPCA(8), theirs, "official")
    x = features(2, 8, 5, 4)
    assert torch.equal(other(x), module(x))


def test_the_maps_are_over_channels_and_values():
    module, x, seen = drawn(CPCA(6)), features(2, 6, 5, 4), []
    module.channel.sink = module.gate.sink = seen.append
    y = module(x)
    assert [tuple(values.shape) for values in seen] == [(2, 6, 1, 1), (2, 6, 5, 4)]
    torch.testing.assert_close(y, x * seen[0] * seen[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reduction": 0}, "cpca: reduction=0 is not allowed; it must be an integer of at least 1"),
        ({"sigmoids": "both"}, "cpca: sigmoids='both' is not allowed; choose one of 'each', 'sum'"),
        ({"projections": 1}, "cpca: projections=1 is not allowed; it must be True or False"),
        ({"dims": 4}, "cpca: dims=4 is not allowed; choose one of 1, 2, 3"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CPCA(8, **options)
