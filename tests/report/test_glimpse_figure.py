import io

import numpy as np
import pytest
from PIL import Image

from regard.report.drawing import ACCENT
from regard.report.glimpse_figure import GlimpsePath, glimpses_figure
from tests.report.views import share_of

BLACK = np.zeros((224, 224, 3), np.uint8)


def path(positions, scales=1, classes=3, **options):
    looks = len(positions)
    seen = np.zeros((looks, scales, 4, 4, 3), np.uint8)
    probabilities = np.full((looks, classes), 1 / classes, np.float32) if classes else None
    sides = tuple(4.0 * 2**i for i in range(scales))
    return GlimpsePath(
        positions=np.array(positions, np.float32), sides=sides, seen=seen, probabilities=probabilities, **options
    )


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("looks", [1, 2, 8])
@pytest.mark.parametrize("scales", [1, 4])
@pytest.mark.parametrize("classes", [0, 2, 40])
def test_any_path_can_be_drawn(looks, scales, classes):
    positions = [(0.1 * i, -0.1 * i) for i in range(looks)]
    png = glimpses_figure(path(positions, scales, classes), BLACK, (28, 28))
    assert share_of(ACCENT, png) > 0


def test_a_glimpse_is_marked_at_its_position():
    """Of four corners, the marked one has the colour of the path."""
    for position in ((-0.6, -0.6), (0.6, -0.6), (-0.6, 0.6), (0.6, 0.6)):
        image = pixels(glimpses_figure(path([position]), BLACK, (28, 28)))
        marked = (image == [31, 90, 148]).all(2)
        marked[: image.shape[0] // 6] = False  # the numbers above the patches
        dark = (image == 0).all(2) | marked
        rows, columns = np.nonzero(dark.sum(1) > 50)[0], np.nonzero(dark.sum(0) > 50)[0]
        left, right, top, bottom = columns[0], columns[0] + 520, rows[0], rows[-1]
        at = np.argwhere(marked & (np.arange(image.shape[1]) < right))
        centre = at.mean(0)
        assert (centre[1] > (left + right) / 2) == (position[0] > 0)
        assert (centre[0] > (top + bottom) / 2) == (position[1] > 0)


def test_patches_are_shown_unchanged():
    given = path([(0, 0), (0.5, 0.5)], classes=0)
    given.seen[1] = (255, 0, 0)
    image = pixels(glimpses_figure(given, BLACK, (28, 28)))
    assert (image == [255, 0, 0]).all(2).any()
