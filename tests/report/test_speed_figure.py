"""The figure of a bench has a mark for every time, ours in the accent colour."""

import re
from xml.etree import ElementTree

from regard.report.drawing import ACCENT, INK
from regard.report.speed_figure import SpeedRow, draw_speed

PANELS = {
    "inference": [SpeedRow("se", {"regard": 1.5, "timm": 3.0}), SpeedRow("bam", {"regard": 9.0})],
    "forward + backward": [SpeedRow("se", {"regard": 3.5, "timm": 30.0})],
}


def marks(svg, colour):
    """The horizontal positions of the marks in that colour, those of the legend left out."""
    found = re.findall(rf'<use [^>]*x="([\d.]+)"[^>]*y="([\d.]+)"[^>]*style="fill: {colour}', svg)
    return [float(x) for x, y in found if float(y) > 30]


def test_every_time_has_a_mark():
    svg = draw_speed(PANELS).svg
    assert len(marks(svg, ACCENT)) == 3
    assert len(marks(svg, INK)) == 2


def test_longer_times_stand_further_right():
    one, other = marks(draw_speed({"inference": PANELS["inference"]}).svg, ACCENT)
    assert one < other


def test_the_figure_names_mechanisms_and_contestants():
    figure = draw_speed(PANELS)
    ElementTree.fromstring(figure.svg.replace("xlink:", ""))
    for word in ("se", "bam", "regard", "timm", "inference", "forward + backward", "copies of the input"):
        assert f">{word}<" in figure.svg
    assert "inference: se takes regard 1.5, timm 3.0 copies; bam takes regard 9.0 copies." in figure.description
