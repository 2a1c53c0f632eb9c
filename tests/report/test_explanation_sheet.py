import pytest
import torch

from regard.report.explanation_sheet import short_names, summary_figure
from regard.report.overlays import enlarged
from tests.report.sights import IMAGE, gate, pixels, spatial


def test_the_sheet_grows_with_what_there_is_to_show():
    laid = [spatial(torch.rand(4, 4), f"layer{i}.attention.spatial") for i in range(9)]
    gates = [gate(torch.rand(9), name=f"layer{i}.attention.gate") for i in range(9)]
    heights = [
        pixels(summary_figure("a net on an image", enlarged(IMAGE), answers, sights)).shape[0]
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
    png = summary_figure("n" * 300, enlarged(IMAGE), [("c" * 200, 1.0)], [spatial(torch.rand(4, 4), name)])
    assert (pixels(png)[:, -20:] == 255).all()


def test_names_in_any_letters_are_drawn_without_a_warning(recwarn):
    summary_figure("net on 猫.png", enlarged(IMAGE), [("猫", 0.9), ("\u732b\U0001f431", 0.1)], [])
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
def test_the_end_that_all_names_share_is_left_out(paths, short):
    assert short_names(paths) == short
