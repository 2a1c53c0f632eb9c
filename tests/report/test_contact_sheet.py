"""The contact sheet: every class a row, every image where it belongs."""

import io

import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image

from regard.data import ArrayImages
from regard.data.source import Holding, Opening, assemble
from regard.recipes.show_data import sheet_of
from regard.report.contact_sheet import COLUMNS, ROWS, ClassRow, contact_sheet


def source(classes, multi_label=False, size=(6, 6)):
    """Each class has images of one colour, by its number; more in the first than fit into a row."""
    counts = [COLUMNS + 5, *[3] * (classes - 1)]
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    images = (10 + labels * 8)[:, None, None, None].expand(-1, 3, *size).to(torch.uint8).contiguous()
    images[:, 1] = 255 - images[:, 0]
    targets = torch.nn.functional.one_hot(labels).float() if multi_label else labels
    split = ArrayImages(images, targets, "x")
    names = tuple(f"class number {i} has a very long name $indeed" for i in range(classes))
    parts = dict.fromkeys(("train", "val", "test"), split)
    return assemble(Holding("a <set> of $colours", names, parts), Opening())


def colours(sheet):
    """The numbers of the classes whose colour is on the sheet, with how many pixels each has."""
    pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB")).astype(int)
    flat = pixels[(pixels[..., 0] + pixels[..., 1] == 255) & (pixels[..., 0] == pixels[..., 2])][:, 0]
    numbers, counts = np.unique(flat, return_counts=True)
    return {(int(n) - 10) // 8: int(c) for n, c in zip(numbers, counts, strict=True) if (n - 10) % 8 == 0}


def test_every_class_has_its_row_of_images():
    for multi_label in (False, True):
        found = colours(sheet_of(source(4, multi_label)))
        assert set(found) == {0, 1, 2, 3}
        assert abs(found[0] / found[1] - COLUMNS / 3) < 0.1


def test_images_larger_than_their_cell_are_reduced():
    assert set(colours(sheet_of(source(3, size=(500, 1000))))) == {0, 1, 2}


def test_a_sheet_of_many_classes_shows_the_first():
    assert set(colours(sheet_of(source(ROWS + 5)))) == set(range(ROWS))


def test_the_same_source_gives_the_same_sheet():
    assert sheet_of(source(3)) == sheet_of(source(3))


def test_a_sheet_says_what_it_shows(monkeypatch):
    rows = [ClassRow("a", (1, 1, 1), [torch.zeros(3, 6, 6, dtype=torch.uint8)])]
    drawn, text = [], Axes.text
    monkeypatch.setattr(Axes, "text", lambda self, x, y, s, **style: drawn.append(s) or text(self, x, y, s, **style))
    for unit in ("image", "clip"):
        contact_sheet("x", ("train", "val"), rows, 1, unit=unit)
    assert "training images; under each name: images for train / val" in drawn
    assert "middle frames of training clips; under each name: clips for train / val" in drawn


def test_a_wide_name_ends_before_the_images():
    rows = [ClassRow("W" * 60, (1, 1, 1), [torch.full((3, 6, 6), 90, dtype=torch.uint8)])]
    pixels = np.asarray(Image.open(io.BytesIO(contact_sheet("x", ("a", "b", "c"), rows, 1))).convert("L"))
    inside = 256  # px, a little right of where the images begin
    assert np.unique(pixels[80:150, inside : inside + 90]).size == 1
    assert pixels[80:150, inside - 12 : inside - 5].min() > 200
