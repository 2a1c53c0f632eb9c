import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.shuffle import Shuffle
from regard.core import taps
from regard.core.errors import OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import sigmoid


def formula(x, p, groups):
    """Equations 1 to 5 of the paper, and the shuffle of the two halves of all channels."""
    y = []
    for image in x:
        channels = []
        for group in np.split(image, groups):
            whole = -(-len(group) // 2)
            for i, u in enumerate(group[:whole]):
                channels.append(u * sigmoid(p["channel_weight"][i] * u.mean() + p["channel_bias"][i]))
            for i, v in enumerate(group[whole:]):
                normal = (v - v.mean()) / np.sqrt(v.var() + 1e-5)
                normal = p["norm.weight"][i] * normal + p["norm.bias"][i]
                channels.append(v * sigmoid(p["spatial_weight"][i] * normal + p["spatial_bias"][i]))
        half = -(-len(channels) // 2)
        first, second = channels[:half], channels[half:]
        y.append([channel for i in range(half) for channel in (first[i], *second[i : i + 1])])
    return np.array(y)


@pytest.mark.parametrize("size", [(7, 5), (9,), (3, 5, 2), (1, 8)])
@pytest.mark.parametrize(("channels", "groups"), [(12, 1), (12, 3), (12, 6), (8, None), (5, None), (15, 3), (1, None)])
def test_it_is_the_papers_formula(size, channels, groups):
    module, x = drawn(Shuffle(channels, groups=groups)), features(2, channels, *size)
    assert_equal(module(x), formula(x.numpy(), arrays(module), module.groups))


def test_the_channels_of_both_halves_take_turns():
    module = Shuffle(6, groups=1)
    torch.nn.init.constant_(module.channel_bias, 50.0)
    torch.nn.init.constant_(module.spatial_bias, 50.0)
    x = torch.arange(6.0).reshape(1, 6, 1)
    assert module(x).flatten().tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    module = Shuffle(5)
    torch.nn.init.constant_(module.channel_bias, 50.0)
    torch.nn.init.constant_(module.spatial_bias, 50.0)
    assert module(x[:, :5]).flatten().tolist() == [0.0, 3.0, 1.0, 4.0, 2.0]


@pytest.mark.parametrize(("channels", "groups"), [(256, 64), (512, 32), (64, 8)])
def test_the_count_is_that_of_the_paper(channels, groups):
    assert count(Shuffle(channels, groups=groups)) == 3 * channels // groups


def test_the_default_groups_have_two_whole_halves():
    assert [Shuffle(c).groups for c in (64, 128, 256, 96, 12, 7, 1)] == [32, 64, 64, 16, 2, 1, 1]
    assert [Shuffle(c).halves for c in (256, 7, 1)] == [(2, 2), (4, 3), (1, 0)]


def test_it_starts_with_one_map_for_all():
    x = torch.randn(2, 8, 5, 3)
    gate = 1 / (1 + math.exp(-1))
    torch.testing.assert_close(Shuffle(8)(x).sum((1, 2, 3)), gate * x.sum((1, 2, 3)), rtol=1e-4, atol=1e-5)
    module = Shuffle(8)
    assert names(module)[:2] == ["channel_weight", "channel_bias"]
    assert not module.channel_weight.any()
    assert not module.spatial_weight.any()
    assert Shuffle(8, start="identity").spatial_weight.all()


def test_one_half_is_gated_by_channel():
    module, seen = drawn(Shuffle(12, groups=3)), {}
    for path, tap in taps(module).items():
        tap.sink = lambda values, path=path: seen.setdefault(path, values)
    module(features(2, 12, 3, 4))
    assert {path: tuple(values.shape) for path, values in seen.items()} == {
        "channel": (2, 6, 1, 1),
        "spatial": (2, 6, 3, 4),
    }


def test_the_authors_layout_goes_there_and_back():
    module = drawn(Shuffle(12, groups=3))
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == {
        **{name: (1, 2, 1, 1) for name in ("cweight", "cbias", "sweight", "sbias")},
        "gn.weight": (2,),
        "gn.bias": (2,),
    }
    other = Shuffle(12, groups=3).double()
    import_weights(other, state, "official")
    x = features(2, 12, 3, 4)
    assert torch.equal(other(x), module(x))


def test_channels_last_features_stay_so():
    x = torch.randn(2, 8, 4, 5).to(memory_format=torch.channels_last)
    assert Shuffle(8)(x).stride() == x.stride()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 3}, r"shuffle: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"groups": 8}, "shuffle: groups=8 is not allowed; a group of one channel has no two halves: at most 4 groups"),
        ({"groups": 0}, "shuffle: groups=0 is not allowed; it must be an integer of at least 1"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Shuffle(8, **options)
