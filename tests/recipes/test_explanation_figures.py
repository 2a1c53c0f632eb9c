import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from regard.core import Map
from regard.explanation import ActiveChannels, overlay
from regard.explanation.overlays import enlarged
from regard.recipes.explanation_figures import (
    Sight,
    channel_weights,
    channels_figure,
    positions_figure,
    short_names,
    summary_figure,
)
from regard.report.drawing import ACCENT

PICTURE = torch.rand(3, 24, 32)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def share_of(colour, png):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels(png).astype(int) - wanted).max(2) < 8).mean()


def gate(values, *, name="layer1.gate", low=0.0, high=1.0, k=2, features=True):
    values = torch.as_tensor(values, dtype=torch.float32)
    order = values.argsort(descending=True)[:k]
    active = ActiveChannels(
        path=name,
        channels=order[None],
        weights=values[order][None],
        branches=None,
        features=torch.rand(1, len(order), 5, 7) if features else None,
    )
    return Sight(name, Map(name, "gate", values[None, :, None, None], 1.0), low, high, active, None)


def spatial(weights, name="layer1.spatial", high=1.0):
    return Sight(name, Map(name, "spatial", weights[None, None], 1.0), 0.0, high, None, overlay(PICTURE, weights))


def test_the_bars_show_the_weights():
    flat, steep = (channels_figure(gate(v, k=1, features=False)) for v in ([1.0] * 8, [1.0] + [0.0] * 7))
    lots, few = (share_of("#b9b9b9", png) for png in (flat, steep))
    assert lots > 0.2
    assert few < 0.02
    assert abs(share_of(ACCENT, flat) - share_of(ACCENT, steep)) < 0.002  # one full bar of eight in both


@pytest.mark.parametrize("count", [1, 3, 80, 81, 2048])
def test_any_number_of_channels_can_be_drawn(count):
    weights = torch.linspace(0.9, 0.1, count)
    png = channels_figure(gate(weights, k=min(count, 8)))
    assert share_of(ACCENT, png) > 0.0004 * min(1, 80 / count)


def test_weights_without_an_upper_end_fit_into_the_figure():
    ended, endless = (channels_figure(gate([5.0] * 8, high=high, k=1, features=False)) for high in (10.0, math.inf))
    assert share_of("#b9b9b9", endless) > 1.7 * share_of("#b9b9b9", ended) > 0.1


def test_branches_are_drawn_as_shares():
    shares = torch.softmax(torch.randn(1, 3, 9, 1, 1), 1)
    top = shares[0, :, :, 0, 0].max(0)
    active = ActiveChannels("sk", torch.arange(4)[None], top.values[None, :4], top.indices[None, :4], None)
    sight = Sight("sk", Map("sk", "branch", shares, 1 / 3), 0.0, 1.0, active, None)
    np.testing.assert_allclose(channel_weights(sight.map).sum(0), 1, rtol=1e-5)
    assert pixels(channels_figure(sight)).shape[0] > 200


def test_a_map_over_the_picture_has_its_colours_in_the_figure():
    bright = positions_figure(spatial(torch.eye(6)), enlarged(PICTURE))
    assert share_of("#fde725", bright) > 0.01  # the largest weight's colour
    assert share_of("#440154", bright) > 0.05  # the smallest one's
    assert positions_figure(spatial(torch.full((6, 6), 0.5)), enlarged(PICTURE))


def test_the_sheet_grows_with_what_there_is_to_show():
    laid = [spatial(torch.rand(4, 4), f"layer{i}.attention.spatial") for i in range(9)]
    gates = [gate(torch.rand(9), name=f"layer{i}.attention.gate") for i in range(9)]
    heights = [
        pixels(summary_figure("a net on a picture", enlarged(PICTURE), answers, sights)).shape[0]
        for answers, sights in (
            ([], []),
            ([("a", 0.9), ("b", 0.1)], laid[:1]),
            ([("a", 0.9), ("b", 0.1)], laid[:3]),
            ([("a", 0.9), ("b", 0.1)], laid[:3] + gates[:3]),
            ([("a", 0.9), ("b", 0.1)], laid[:9] + gates[:9]),
        )
    ]
    assert heights[0] < heights[1] == heights[2] < heights[3] < heights[4]


def test_long_names_of_classes_and_paths_are_shortened_not_spilled():
    name = ".".join(["a_block_with_a_very_long_name"] * 6)
    png = summary_figure("n" * 300, enlarged(PICTURE), [("c" * 200, 1.0)], [spatial(torch.rand(4, 4), name)])
    assert (pixels(png)[:, -20:] == 255).all()


@pytest.mark.parametrize(
    ("paths", "short"),
    [
        (["layer1.0.attention.gate", "layer1.1.attention.gate"], ["layer1.0", "layer1.1"]),
        (["a.gate", "gate"], ["a.gate", "gate"]),
        (["x.gate"], ["x.gate"]),
        (["a.select", "b.gate"], ["a.select", "b.gate"]),
        ([], []),
    ],
)
def test_the_end_that_all_names_share_is_left_out(paths, short):
    assert short_names(paths) == short
