import pytest
import torch

from regard.report.explanation_sheet import short_names, summary_figure
from regard.report.overlays import enlarge
from tests.report.views import IMAGE, gate, pixels, spatial


def test_sheet_grows_with_its_contents():
    laid = [spatial(torch.rand(4, 4), f"layer{i}.attention.spatial") for i in range(9)]
    gates = [gate(torch.rand(9), name=f"layer{i}.attention.gate") for i in range(9)]
    heights = [
        pixels(summary_figure("a net on an image", enlarge(IMAGE), answers, views)).shape[0]
        for answers, views in (
            ([], []),
            ([("a", 0.9), ("b", 0.1)], laid[:1]),
            ([("a", 0.9), ("b", 0.1)], laid[:3]),
            ([("a", 0.9), ("b", 0.1)], laid[:3] + gates[:3]),
            ([("a", 0.9), ("b", 0.1)], laid[:9] + gates[:9]),
        )
    ]
    assert heights[0] < heights[1] == heights[2] < heights[3] < heights[4]


def test_long_names_are_shortened():
    name = ".".join(["a_block_with_a_very_long_name"] * 6)
    png = summary_figure("n" * 300, enlarge(IMAGE), [("c" * 200, 1.0)], [spatial(torch.rand(4, 4), name)])
    assert (pixels(png)[:, -20:] == 255).all()


def test_names_in_any_script_draw_without_warning(recwarn):
    summary_figure("net on 猫.png", enlarge(IMAGE), [("猫", 0.9), ("\u732b\U0001f431", 0.1)], [])
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


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
def test_shared_suffix_of_names_is_dropped(paths, short):
    assert short_names(paths) == short
