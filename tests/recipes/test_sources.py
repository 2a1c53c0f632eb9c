"""Opening with a bar opens what opening opens."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from regard.core.errors import DataError
from regard.data import open_source
from regard.recipes.sources import open_with_bar


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(260):
            Image.fromarray(rng.integers(0, 256, (4, 4), dtype=np.uint8)).save(tmp_path / "set" / label / f"{i}.bmp")
    return f"folder:{tmp_path / 'set'}"


@pytest.fixture
def screen(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("regard.recipes.sources.console", Console(file=screen, force_terminal=True, width=100))
    return screen


def test_the_same_source_and_a_bar(folder, screen):
    source = open_with_bar(folder, seed=3)
    assert source.fingerprint == open_source(folder, seed=3).fingerprint
    assert "Looking at the pictures" in screen.getvalue()


def test_nothing_is_shown_where_little_is_looked_at(screen):
    open_with_bar("mnist-mini")
    assert screen.getvalue() == ""


def test_nothing_is_shown_in_a_file(folder, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr("regard.recipes.sources.console", Console(file=file))
    open_with_bar(folder)
    assert file.getvalue().strip() == ""


def test_an_error_passes():
    with pytest.raises(DataError, match="There is no folder"):
        open_with_bar("folder:/absent")
