import json

import pytest

from regard.core import CheckpointError, OptionError, RunError
from regard.data import Reading
from regard.recipes.ablate import ablate
from regard.recipes.captioning import load_captioner, open_captioned, open_captions_for
from regard.recipes.evaluate import evaluate
from regard.recipes.kinds import kind_of_run
from regard.recipes.train import train
from regard.training import load_weights, save_weights
from tests.recipes.captions import MODEL, QUICK, write_captions


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_captions(tmp_path_factory.mktemp("captions"))


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "captions"
    train(data=data, model=MODEL, attention="additive", out=str(out), recipe=QUICK, device="cpu", workers=0)
    return out


def test_a_run_is_known_by_its_kind(folder, trained):
    assert kind_of_run(folder) == "caption"
    with pytest.raises(RunError, match="does not write about images"):
        load_captioner(trained.path)
    with pytest.raises(RunError, match="writes about images, and this needs one that classifies"):
        ablate(run=str(folder))


def test_own_and_other_images_are_scored(folder, data, tmp_path):
    own = evaluate(run=str(folder), split="test", device="cpu")
    assert (own.split, own.unit, own.by_class, own.test_accesses) == ("test", "image", None, 1)
    assert {"exact_match", "bleu", "loss"} <= set(own.scores.values())
    json.dumps(own.to_json())
    other = evaluate(run=str(folder), data=write_captions(tmp_path, 9), device="cpu", beams=2)
    assert (other.split, other.n) == ("all", 9)


def test_what_cannot_be_scored(folder, data, tmp_path):
    loaded = load_captioner(folder)
    with pytest.raises(RunError, match="not all"):
        open_captions_for(loaded, None, "all", Reading())
    with pytest.raises(OptionError, match="about classes"):
        open_captioned(data, Reading(classes="a"))
    moved = tmp_path / "other.safetensors"
    save_weights(moved, loaded.net, loaded.metadata | {"run": loaded.record.to_json() | {"data": None}})
    with pytest.raises(OptionError, match="names no data"):
        open_captions_for(load_captioner(moved), None, None, Reading())


def test_a_damaged_record_is_told(folder, tmp_path):
    state, metadata = load_weights(folder / "weights.safetensors")
    metadata["run"]["task"]["options"].pop("longest")
    broken = tmp_path / "broken.safetensors"
    save_weights(broken, load_captioner(folder).net, metadata)
    with pytest.raises(CheckpointError, match="longest"):
        load_captioner(broken)
    assert state
