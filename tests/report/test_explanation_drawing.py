import io

import numpy as np
import pytest
import torch
from PIL import Image

from regard.core import Map
from regard.core.kinds import find_kind
from regard.report.drawing import panel
from regard.report.explanation_drawing import (
    channel_weights,
    draw_weights,
    encode_png,
    evenness_remark,
    fit_inside,
    place,
    show,
    weight_limits,
    write,
)
from tests.report.views import gate, spatial


def test_coordinates_start_at_upper_left_corner():
    red = np.full((4, 4, 3), (255, 0, 0), dtype=np.uint8)
    with panel(100, 60) as canvas:
        show(place(canvas, 10, 20, 30, 10), red)
        pixels = np.asarray(Image.open(io.BytesIO(encode_png(canvas))).convert("RGB"))
    assert pixels.shape == (120, 200, 3)
    rows, columns = np.nonzero((pixels == (255, 0, 0)).all(2))
    assert abs(rows.min() - 40) <= 2
    assert abs(rows.max() - 59) <= 2
    assert abs(columns.min() - 20) <= 2
    assert abs(columns.max() - 79) <= 2


def test_text_is_at_its_coordinates():
    with panel(100, 60) as canvas:
        write(canvas, 50, 30, "x")
        pixels = np.asarray(Image.open(io.BytesIO(encode_png(canvas))).convert("L"))
    rows, columns = np.nonzero(pixels < 128)
    assert 100 <= columns.min() < 110
    assert abs(rows.max() - 60) <= 3


@pytest.mark.parametrize(("size", "expected"), [((10, 20), (100, 50)), ((20, 10), (50, 100)), ((7, 7), (100, 100))])
def test_an_image_keeps_its_proportions(size, expected):
    assert fit_inside(np.zeros((*size, 3)), 100) == expected


def test_channel_weights_are_per_branch_or_position_mean():
    shares = torch.softmax(torch.randn(1, 3, 9, 1, 1), 1)
    np.testing.assert_allclose(channel_weights(Map("x", find_kind("branch"), shares, 1 / 3)), shares[0, :, :, 0, 0])
    mixed = torch.rand(1, 5, 4, 4)
    np.testing.assert_allclose(channel_weights(Map("x", find_kind("mixed"), mixed, 1.0)), mixed.mean((2, 3)), rtol=1e-6)


def test_limits_are_the_taps_if_finite():
    assert weight_limits(gate([0.5, 0.25]), np.array([[0.5, 0.25]])) == (0.0, 1.0)
    assert weight_limits(gate([0.5, 2.0]), np.array([[0.5, 2.0]])) == (0.0, 2.0)
    low, high = weight_limits(gate([4.0, 2.0], high=float("inf")), np.array([[4.0, 2.0]]))
    assert low == 0.0
    assert 4.0 < high < 4.5


def test_weights_are_sorted_and_active_ones_marked():
    view = gate([0.1, 0.9, 0.5], k=2)
    with panel(100, 60) as canvas:
        axes = place(canvas, 0, 0, 100, 60)
        draw_weights(axes, view, channel_weights(view.map), view.active.channels.tolist())
        heights = [bar.get_height() for bar in axes.patches]
        colours = [bar.get_facecolor() for bar in axes.patches]
    assert heights == pytest.approx([0.9, 0.5, 0.1])
    assert colours[0] == colours[1] != colours[2]


def test_a_map_that_hardly_varies_is_called_even():
    flat = torch.full((4, 4), 0.5)
    flat[0, 0] = 0.52
    steep = torch.full((4, 4), 0.5)
    steep[0, 0] = 0.7
    assert (evenness_remark(spatial(flat)), evenness_remark(spatial(steep))) == (", nearly even", "")
    assert evenness_remark(spatial(flat, high=float("inf"))) == ""
