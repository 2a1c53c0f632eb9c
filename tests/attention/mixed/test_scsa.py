import itertools
import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.scsa import SCSA
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import convolve, sigmoid, softmax


def normalise(x, weight, bias):
    """(c, ...) over the standard deviation of all its values."""
    ones = (1,) * (x.ndim - 1)
    y = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return y * weight.reshape(-1, *ones) + bias.reshape(-1, *ones)


def strip_map(means, p, axis, sizes):
    """(c, n): the map along one axis, quarter by quarter."""
    maps, start = [], 0
    for i, size in enumerate(sizes):
        part = slice(start, start + size)
        weight, bias = p[f"strip_convs.{i}.weight"], p[f"strip_convs.{i}.bias"]
        z = convolve(means[None, part], weight, bias, padding=weight.shape[-1] // 2, groups=size)[0]
        z = normalise(z, p[f"strip_norms.{axis}.weight"][part], p[f"strip_norms.{axis}.bias"][part])
        maps.append(sigmoid(z))
        start += size
    return np.concatenate(maps)


def windows(x, window):
    """(c, n): the mean of every window that fits; of the whole axis where none does."""
    cut = [[slice(i * window, (i + 1) * window) for i in range(max(n // window, 1))] for n in x.shape[1:]]
    return np.stack([x[(slice(None), *where)].reshape(len(x), -1).mean(1) for where in itertools.product(*cut)], 1)


def formula(x, p, sizes, heads=1, window=7):
    """The paper's two halves, image by image."""
    y = []
    for image in x:
        u = image.copy()
        for axis in range(x.ndim - 2):
            means = image.mean(tuple(a + 1 for a in range(x.ndim - 2) if a != axis))
            shape = [len(image)] + [1] * (x.ndim - 2)
            shape[axis + 1] = image.shape[axis + 1]
            u = u * strip_map(means, p, axis, sizes).reshape(shape)
        z = normalise(windows(u, window), p["norm.weight"], p["norm.bias"])
        q, k, v = (z * p[f"{name}.weight"].reshape(-1, 1) for name in ("query", "key", "value"))
        gates, d = [], len(z) // heads
        for h in range(heads):
            part = slice(h * d, (h + 1) * d)
            attended = softmax(q[part] @ k[part].T / math.sqrt(d), 1) @ v[part]
            gates.append(sigmoid(attended.mean(1)))
        y.append(u * np.concatenate(gates).reshape(-1, *(1,) * (x.ndim - 2)))
    return np.stack(y)


@pytest.mark.parametrize(
    "shape", [(2, 8, 14, 7), (2, 8, 9, 16), (2, 8, 23), (1, 8, 8, 3, 15), (2, 8, 1, 8), (1, 8, 1, 1)]
)
@pytest.mark.parametrize("heads", [1, 2])
def test_it_is_the_papers_formula(shape, heads):
    module, x = drawn(SCSA(8, heads=heads, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), (2, 2, 2, 2), heads), rtol=1e-9)


@pytest.mark.parametrize(("channels", "sizes"), [(7, (2, 2, 2, 1)), (5, (2, 1, 1, 1)), (3, (1, 1, 1)), (1, (1,))])
def test_channels_are_divided_as_evenly_as_possible(channels, sizes):
    module, x = drawn(SCSA(channels, window=3)), features(2, channels, 7, 6)
    assert module.parts == sizes
    assert_equal(module(x), formula(x.numpy(), arrays(module), sizes, window=3), rtol=1e-9)


def test_torchs_layers_in_the_authors_order_agree():
    module, x = drawn(SCSA(8, heads=2, window=3)), features(2, 8, 7, 10)
    p = export_weights(module, "official")
    functional = torch.nn.functional
    u = x
    for axis, name in ((3, "norm_h"), (2, "norm_w")):
        quarters = x.mean(axis).split(2, 1)
        layers = ("local_dwc", "global_dwc_s", "global_dwc_m", "global_dwc_l")
        z = torch.cat(
            [
                functional.conv1d(q, p[f"{n}.weight"], p[f"{n}.bias"], padding=1 + i, groups=2)
                for i, (q, n) in enumerate(zip(quarters, layers, strict=True))
            ],
            1,
        )
        gate = functional.group_norm(z, 4, p[f"{name}.weight"], p[f"{name}.bias"]).sigmoid()
        u = u * gate.unsqueeze(axis)
    z = functional.group_norm(functional.avg_pool2d(u, 3, 3), 1, p["norm.weight"], p["norm.bias"])
    q, k, v = (functional.conv2d(z, p[f"{n}.weight"], groups=8).reshape(2, 2, 4, -1) for n in "qkv")
    attended = torch.softmax(q @ k.transpose(2, 3) / 2, -1) @ v
    expected = u * attended.mean(-1).reshape(2, 8, 1, 1).sigmoid()
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-11)


def test_a_case_computed_by_hand():
    module = SCSA(1, dims=1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.strip_norms[0].bias.fill_(math.log(3))
        module.norm.bias.fill_(1.0)
        module.value.weight.fill_(math.log(3))
    # The strip's gate is 3/4; the one window is 1 after its norm, its value log 3, the channel's gate 3/4.
    assert module(torch.tensor([[[16.0, -32.0]]])).flatten().tolist() == pytest.approx([9.0, -18.0])


def test_counts_by_hand():
    # Strips of 3, 5, 7 and 9 positions with a bias, two norms of the strips, one norm, and q, k, v.
    assert count(SCSA(64)) == 64 + 16 * (3 + 5 + 7 + 9) + 2 * 2 * 64 + 2 * 64 + 3 * 64


def test_weights_of_the_authors_code_come_and_go():
    module, other = drawn(SCSA(8)), drawn(SCSA(8), seed=7)
    theirs = export_weights(module, "official")
    assert tuple(theirs["global_dwc_l.weight"].shape) == (2, 1, 9)
    assert tuple(theirs["q.weight"].shape) == (8, 1, 1, 1)
    import_weights(other, theirs, "official")
    x = features(2, 8, 7, 7)
    assert torch.equal(other(x), module(x))


def test_the_maps_have_their_shapes_and_are_applied():
    module, x, seen = drawn(SCSA(8, heads=2)), features(2, 8, 9, 7), {}
    for name, tap in {"h": module.strips[0], "w": module.strips[1], "a": module.affinity, "g": module.gate}.items():
        tap.sink = lambda values, name=name: seen.update({name: values})
    y = module(x)
    assert {n: tuple(values.shape) for n, values in seen.items()} == {
        **{"h": (2, 8, 9, 1), "w": (2, 8, 1, 7), "a": (2, 2, 4, 4), "g": (2, 8, 1, 1)}
    }
    torch.testing.assert_close(seen["a"].sum(-1), torch.ones(2, 2, 4, dtype=torch.float64))
    torch.testing.assert_close(y, x * seen["h"] * seen["w"] * seen["g"], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heads": 3}, r"it must divide the channels, 8 \(try 1\)"),
        ({"heads": 0}, "scsa: heads=0 is not allowed; it must be an integer of at least 1"),
        ({"window": 0}, "scsa: window=0 is not allowed"),
        ({"dims": 5}, "scsa: dims=5 is not allowed; choose one of 1, 2, 3"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SCSA(8, **options)
