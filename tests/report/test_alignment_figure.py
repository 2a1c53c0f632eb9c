import io

import numpy as np
import pytest
from PIL import Image

from regard.report.alignment_figure import Alignment, alignment_figure


def figure(source, target):
    weights = np.random.default_rng(0).dirichlet(np.ones(len(source)), len(target)).astype(np.float32)
    return Image.open(
        io.BytesIO(alignment_figure(Alignment(name="a", weights=weights, source=source, target=target), "from → to"))
    )


def test_a_longer_text_makes_a_wider_figure():
    narrow, wide = figure("abcdefghijklmnopqrstuvwxyz", "ab"), figure("abcdefghijklmnopqrstuvwxyz" * 2, "abcd")
    assert wide.width > narrow.width
    assert wide.height > narrow.height


@pytest.mark.parametrize("source", [["a"], ["a very long word of many letters", "字", " "]])
def test_any_symbols_can_be_drawn(source):
    drawn = np.asarray(figure(source, ["x", "⊣"]).convert("L"))
    assert drawn.min() < 100
