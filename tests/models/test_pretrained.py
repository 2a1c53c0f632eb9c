"""The trained network that comes with the package is small, and is what its file and its README say."""

from importlib.resources import files

import pytest

from regard import data, training
from regard.core import Epoch
from regard.recipes.explain import SHIPPED
from regard.recipes.network import load_network

PACKAGE, *PARTS = SHIPPED
SHIPPED_FILE = files(PACKAGE).joinpath(*PARTS)


def test_it_is_under_a_megabyte():
    assert len(SHIPPED_FILE.read_bytes()) < 1_000_000


def test_validation_scores_equal_those_of_its_history():
    loaded = load_network(str(SHIPPED_FILE))
    val = data.open_source("fashion-mini").splits["val"]
    loader = data.loader(val, loaded.preprocessing, batch_size=250)
    found = training.evaluate(loaded.net, loader, loaded.task(), device="cpu")
    accuracy = found.scores["accuracy"]
    assert found.n == 1000
    assert accuracy == pytest.approx(Epoch.from_json(loaded.metadata["history"][-1]).val["accuracy"], abs=0.002)
    assert f"{100 * accuracy:.1f} % of the 1,000 validation" in SHIPPED_FILE.parent.joinpath("README.md").read_text()
