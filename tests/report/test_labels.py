import numpy as np
import pytest

from regard.report.drawing import panel
from regard.report.labels import place_labels


def boxes(points, texts):
    """The boxes of the labels that were placed, and the axes, in pixels."""
    with panel(340, 300) as canvas:
        axes = canvas.add_axes((0.13, 0.13, 0.85, 0.85))
        xs, ys = zip(*points, strict=True)
        axes.set_xlim(min(xs) - 0.2, max(xs) + 0.2)
        axes.set_ylim(min(ys) - 0.1, max(ys) + 0.1)
        place_labels(axes, points, texts, ["black"] * len(texts))
        found = [t.get_window_extent() for t in axes.texts if t.get_gid() == "label"]
        return found, axes.get_window_extent(), axes.transData.transform(points)


def overlap(a, b):
    return max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0, min(a.y1, b.y1) - max(a.y0, b.y0))


CROWDS = {
    "clustered": [(1 + 0.01 * i, 0.8 + 0.004 * i) for i in range(9)],
    "one point": [(1.0, 0.8)] * 6 + [(2.0, 0.9)],
    "one line": [(1 + 0.02 * i, 0.8) for i in range(9)],
    "random": [tuple(p) for p in np.random.default_rng(0).random((14, 2))],
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_labels_do_not_overlap_and_stay_inside(crowd):
    points = CROWDS[crowd]
    texts = [f"mechanism {i}" for i in range(len(points))]
    found, frame, pixels = boxes(points, texts)
    assert len(found) == len(points)
    for i, box in enumerate(found):
        assert all(overlap(box, other) == 0 for other in found[:i])
        assert box.x0 >= frame.x0 - 1
        assert box.x1 <= frame.x1 + 1
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in pixels)


def test_single_label_is_beside_its_point():
    (box,), _, ((x, y),) = boxes([(1.0, 0.5)], ["SE"])
    assert 0 < box.x0 - x < 12
    assert box.y0 < y < box.y1
