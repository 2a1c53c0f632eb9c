import math

import pytest
import torch

from regard.core import Map
from regard.core.kinds import find_kind
from regard.report.drawing import ACCENT, GREY
from regard.report.explanation_drawing import MapView, TopChannels
from regard.report.explanation_figures import channels_figure, positions_figure
from regard.report.overlays import enlarge
from tests.report.views import IMAGE, gate, share_of, spatial


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


def test_unbounded_weights_fit_into_the_figure():
    ended, endless = (channels_figure(gate([5.0] * 8, high=high, k=1, features=False)) for high in (10.0, math.inf))
    assert share_of("#b9b9b9", endless) > 1.7 * share_of("#b9b9b9", ended) > 0.1


def test_branches_are_drawn_as_shares():
    shares = torch.softmax(torch.randn(1, 3, 9, 1, 1), 1)
    top = shares[0, :, :, 0, 0].max(0)
    active = TopChannels(torch.arange(4).numpy(), top.values[:4].numpy(), top.indices[:4].numpy(), None)
    view = MapView("sk", Map("sk", find_kind("branch"), shares, 1 / 3), 0.0, 1.0, active, None)
    png = channels_figure(view)
    assert share_of(ACCENT, png) > 0.002  # branch 0
    assert share_of(GREY, png) > 0.002  # the others


def test_overlay_colours_are_in_the_figure():
    bright = positions_figure(spatial(torch.eye(6)), enlarge(IMAGE))
    assert share_of("#fde725", bright) > 0.01  # the largest weight's colour
    assert share_of("#440154", bright) > 0.05  # the smallest one's
    assert positions_figure(spatial(torch.full((6, 6), 0.5)), enlarge(IMAGE))
