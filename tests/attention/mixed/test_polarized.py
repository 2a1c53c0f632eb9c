import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.polarized import Polarized
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import relu, sigmoid, softmax

FORMS = [
    {"arrangement": arrangement, "form": form}
    for arrangement in ("parallel", "sequential")
    for form in ("released", "paper")
]


def project(p, name, x):
    """A layer over the channels of (c, n)."""
    return p[f"{name}.weight"].reshape(len(p[f"{name}.weight"]), -1) @ x + p.get(f"{name}.bias", np.zeros(1))[:, None]


def layer_norm(p, z):
    return p["up.norm.weight"][:, None] * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + p["up.norm.bias"][:, None]


def channel_map(x, p):
    """(c, 1): what a softmax over positions reads, brought up to all channels."""
    z = project(p, "value", x) @ softmax(project(p, "read", x), 1).T
    if "up.enter.weight" in p:
        z = project(p, "up.leave", relu(layer_norm(p, project(p, "up.enter", z))))
    else:
        z = project(p, "up.expand", z)
        z = layer_norm(p, z) if "up.norm.weight" in p else z
    return sigmoid(z)


def spatial_map(x, p, arrangement, form):
    """(1, n): each position's fit to the means of the image."""
    mean, key = project(p, "query", x).mean(1, keepdims=True), project(p, "key", x)
    if form == "paper":
        return sigmoid(softmax(mean, 0).T @ key)
    return sigmoid(softmax(mean.T @ key, 1) if arrangement == "parallel" else mean.T @ softmax(key, 1))


def formula(x, p, arrangement, form):
    y = []
    for image in x:
        flat = image.reshape(len(image), -1)
        if arrangement == "parallel":
            z = flat * channel_map(flat, p) + flat * spatial_map(flat, p, arrangement, form)
        else:
            z = flat * channel_map(flat, p)
            z = z * spatial_map(z, p, arrangement, form)
        y.append(z.reshape(image.shape))
    return np.stack(y)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1), (2, 7, 1, 8)])
@pytest.mark.parametrize("options", FORMS)
def test_it_is_the_published_formula(shape, options):
    module, x = drawn(Polarized(shape[1], **options)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), **options), rtol=1e-9)


def test_a_case_computed_by_hand():
    module = Polarized(1)
    with torch.no_grad():
        module.read.weight.fill_(math.log(3))
        module.value.weight.fill_(4.0)
        module.up.expand.weight.fill_(math.log(3) / 3)
        module.query.weight.fill_(2.0)
        module.key.weight.fill_(math.log(3))
    # The positions share 3/4 and 1/4 when the first is 1 and the second 0: 3 is read, the channel's gate is 3/4; the
    # means are 1, the positions' logits log 3 and 0, so their shares again 3/4 and 1/4, and s the sigmoid of 3/4.
    y = module(torch.tensor([[[1.0, 0.0]]]))
    assert y.flatten().tolist() == pytest.approx([0.75 + 1 / (1 + math.exp(-0.75)), 0.0])


def test_counts_by_hand():
    # One reading layer of 64, three of 32 x 64, and back up from 32 to 64.
    assert count(Polarized(64)) == 64 + 3 * 32 * 64 + 32 * 64
    bottleneck = 32 * 8 + 8 + 2 * 8 + 8 * 64 + 64
    assert count(Polarized(64, arrangement="sequential")) == 64 + 3 * 32 * 64 + bottleneck
    assert count(Polarized(64, form="paper")) == 64 + 3 * 32 * 64 + 32 * 64 + 2 * 64


@pytest.mark.parametrize("arrangement", ["parallel", "sequential"])
def test_weights_of_the_authors_code_come_and_go(arrangement):
    module, other = (drawn(Polarized(16, arrangement=arrangement), seed=seed) for seed in (0, 7))
    theirs = export_weights(module, "official")
    shapes = {name: tuple(values.shape) for name, values in theirs.items()}
    common = {"conv_q_right": (1, 16), "conv_v_right": (8, 16), "conv_q_left": (8, 16), "conv_v_left": (8, 16)}
    expected = {f"{name}.weight": (*shape, 1, 1) for name, shape in common.items()}
    if arrangement == "parallel":
        expected["conv_up.weight"] = (16, 8, 1, 1)
    else:
        expected |= {"conv_up.0.weight": (2, 8, 1, 1), "conv_up.0.bias": (2,), "conv_up.3.weight": (16, 2, 1, 1)}
        expected |= {"conv_up.1.weight": (2, 1, 1), "conv_up.1.bias": (2, 1, 1), "conv_up.3.bias": (16,)}
    assert shapes == expected
    import_weights(other, theirs, "official")
    x = features(2, 16, 5, 4)
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize("options", FORMS)
def test_the_neutral_maps_together_change_nothing(options):
    module, x, seen = drawn(Polarized(6, **options)), features(2, 6, 5, 4), {}
    for name in ("reading", "gate", "spatial"):
        getattr(module, name).sink = lambda values, name=name: seen.update({name: values})
    y = module(x)
    assert {n: tuple(values.shape) for n, values in seen.items()} == {
        **{"reading": (2, 1, 5, 4), "gate": (2, 6, 1, 1), "spatial": (2, 1, 5, 4)}
    }
    torch.testing.assert_close(seen["reading"].sum((2, 3)), torch.ones(2, 1, dtype=torch.float64))
    parallel = options["arrangement"] == "parallel"
    combined = seen["gate"] + seen["spatial"] if parallel else seen["gate"] * seen["spatial"]
    torch.testing.assert_close(y, x * combined, rtol=1e-12, atol=1e-12)
    for tap in (module.gate, module.spatial):
        assert tap.neutral == (0.5 if parallel else 1.0)
        tap.replace = tap.nothing
    assert torch.equal(module(x), x)


def test_it_starts_as_the_authors_networks():
    torch.manual_seed(0)
    module = Polarized(512)
    for layer in (module.value, module.query, module.key):
        assert layer.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"arrangement": "both"},
            "polarized: arrangement='both' is not allowed; choose one of 'parallel', 'sequential'",
        ),
        ({"form": "code"}, "polarized: form='code' is not allowed; choose one of 'released', 'paper'"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Polarized(8, **options)
