"""A run on clips is one like that on images: kept, resumed bit for bit, refused where it makes no sense."""

import json

import pytest
import torch

from regard.core import OptionError, UnknownNameError
from regard.core.run_record import RunRecord
from regard.recipes.clips import load_clip_network
from regard.recipes.train import train
from regard.training import Recipe, load_weights
from regard.training.tasks.classification import Classification
from tests.recipes.clips import MODEL, QUICK, write_series


def test_what_a_run_leaves(clip_run):
    assert "24 validation clips: accuracy" in str(clip_run)
    assert clip_run.scores["accuracy"] > 0.9
    record = RunRecord.from_json(load_weights(clip_run.path / "weights.safetensors")[1]["run"], "weights")
    assert (record.input.kind, record.task.name, record.task.classes) == (
        "clip",
        "classification",
        ("bar", "line", "square"),
    )
    facts = json.loads((clip_run.path / "run.json").read_text())
    assert facts["clips"] == {"train": 240, "val": 24, "test": 24}
    assert load_clip_network(clip_run.path).record == record


def test_a_stopped_run_continues_bit_for_bit(clip_run, tmp_path, monkeypatch):
    data = load_clip_network(clip_run.path).record.data.name
    loss, steps = Classification.loss, []

    def stopping(self, net, batch, draws):
        steps.append(1)
        if len(steps) == 20:
            raise KeyboardInterrupt
        return loss(self, net, batch, draws)

    given = {"data": data, "model": MODEL, "attention": "temporal_pool", "recipe": QUICK, "device": "cpu"}
    monkeypatch.setattr(Classification, "loss", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(**given, out=str(tmp_path / "run"))
    monkeypatch.undo()
    resumed = train(resume=str(tmp_path / "run"), device="cpu")
    want, got = (load_weights(path / "weights.safetensors")[0] for path in (clip_run.path, resumed.path))
    assert all(torch.equal(value, got[name]) for name, value in want.items())
    assert resumed.scores == clip_run.scores


def test_series_run_through_the_same_story(tmp_path, capsys):
    data = write_series(tmp_path)
    recipe = Recipe(epochs=1, batch_size=120, optimizer="adamw", lr=0.01)
    done = train(data=data, model="resnet1d:width=4", attention="se", out=str(tmp_path / "run"), recipe=recipe)
    assert "24 validation sounds: accuracy" in str(done)
    assert load_clip_network(done.path).unit == "sound"
    assert "parameters; input series of 3 channels." in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"size": 64}, OptionError, "train: size=64 is not allowed with clips or sounds"),
        ({"patch": 8}, OptionError, "train: patch=8 is not allowed with clips or sounds"),
        ({"recipe": Recipe(mixup=0.2)}, OptionError, r"train: mixup=0\.2 is not allowed"),
        ({"model": "resnet18"}, UnknownNameError, "no network for clips named 'resnet18'"),
        ({"attention": "additive"}, OptionError, "answers queries"),
    ],
)
def test_what_makes_no_sense_is_refused_first(wrong, error, message, tmp_path):
    with pytest.raises(error, match=message):
        train(data="clips:nowhere.npz", out=str(tmp_path / "run"), **wrong)
