"""Opening with a bar opens what opening opens."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from regard import models
from regard.core.errors import DataError, OptionError, RunError
from regard.data import open_source, preprocessing_for
from regard.recipes.network import load_network
from regard.recipes.sources import open_for_network, open_with_bar
from regard.training import save_weights
from tests.recipes.records import metadata_of


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
    assert "Checking the images" in screen.getvalue()


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


@pytest.fixture
def trained(folder, tmp_path):
    """Loads a network whose file names the folder as its training data, or other data."""
    source = open_source(folder)
    net = models.create("resnet8", num_classes=2, in_channels=source.channels, seed=0)

    def load(**changed):
        data = {"name": folder, "labels": None, "fingerprint": source.fingerprint} | changed
        data = data if data["name"] else None
        metadata = metadata_of("resnet8", source.classes, preprocessing_for(source), data=data, attention=None)
        save_weights(tmp_path / "net.safetensors", net, metadata)
        return load_network(tmp_path / "net.safetensors")

    return load


def test_default_source_is_that_of_the_training(folder, trained):
    assert open_for_network(trained(), None).source.fingerprint == open_source(folder).fingerprint


def test_images_that_changed_since_the_training_are_refused(folder, trained, tmp_path):
    loaded = trained()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "set" / "a" / "new.bmp")
    for data in (None, folder):
        with pytest.raises(RunError, match=r"contains other images than when .* was trained.*--data"):
            open_for_network(loaded, data)
    (tmp_path / "set").rename(tmp_path / "elsewhere")
    assert len(open_for_network(loaded, f"folder:{tmp_path / 'elsewhere'}").source.classes) == 2


def test_missing_default_source_is_explained(trained):
    with pytest.raises(DataError, match=r"net\.safetensors was trained on this source.*--data"):
        open_for_network(trained(name="folder:not-here"), None)
    with pytest.raises(DataError) as caught:
        open_for_network(trained(), "folder:not-here")
    assert "was trained on" not in str(caught.value)


def test_other_classes_and_unnamed_sources_are_refused(trained):
    with pytest.raises(DataError, match=r"does not know: 'T-shirt/top'.*has the classes a, b"):
        open_for_network(trained(), "fashion-mini")
    with pytest.raises(OptionError, match="name the images with --data"):
        open_for_network(trained(name=None), None)
