"""Metadata suffice to use a file without regard, and say where it is from."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from regard.data import Preprocessing
from regard.recipes.exported_metadata import describe, steps
from regard.recipes.network import load_network
from tests.recipes.conftest import BARS


@pytest.fixture(scope="module")
def loaded(trained):
    return load_network(trained.path)


def test_classes_input_and_normalisation_are_there(loaded):
    facts = json.loads(json.dumps(describe(loaded, preprocessing=True, free=True)))
    assert facts["classes"] == list(BARS)
    assert facts["input"] == {
        "name": "images",
        "kind": "image",
        "axes": ["batch", "channel", "height", "width"],
        "dtype": "uint8",
        "free": ["batch", "height", "width"],
    }
    assert facts["output"]["probabilities"] == "softmax"
    assert (facts["size"], facts["channels"], facts["resize"]) == ([12, 12], 1, "exact")
    assert (facts["mean"], facts["std"]) == (list(loaded.preprocessing.mean), list(loaded.preprocessing.std))
    fixed = describe(loaded, preprocessing=False, free=False)["input"]
    assert (fixed["dtype"], fixed["free"]) == ("float32", ["batch"])


def test_provenance_leads_back_to_the_weights(loaded, trained):
    facts = describe(loaded, preprocessing=False, free=True)
    assert facts["weights_sha256"] == hashlib.sha256(loaded.path.read_bytes()).hexdigest()
    assert (facts["network"], facts["network_options"]) == ("resnet8 with se", {"attention": "se"})
    assert (facts["run"], facts["seed"]) == (f"{trained.path.name}/weights.safetensors", 0)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(facts["date"])).total_seconds() < 60
    assert str(trained.path.parent) not in json.dumps(facts)


def test_each_step_outside_the_graph_is_told():
    known = Preprocessing((48, 40), 3, (0.5,) * 3, (0.2,) * 3, "crop", value_range=(0, 4095))
    first, second, third = steps(known, inside=False)
    assert first == "map the values 0 to 4095 of images with more than 8 bits to 0 to 255; convert to RGB"
    assert "keep 0.875 of its height and width, and resize it to 48 x 40" in second
    assert third.startswith("divide the values 0 to 255 by 255, subtract mean and divide by std")
    assert "border" in steps(Preprocessing((8, 8), 1, (0.5,), (0.2,), "pad"), inside=True)[1]
