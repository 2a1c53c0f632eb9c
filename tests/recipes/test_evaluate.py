"""The right images are scored, and every use of test images is recorded."""

import json

import numpy as np
import pytest
from rich.console import Console

from regard.core import DataError, OptionError, RunError, Scores
from regard.data import Reading
from regard.recipes.evaluate import evaluate
from regard.recipes.train import train
from tests.recipes.conftest import QUICK


def render(record):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(record)
    return capture.get()


def test_validation_images_are_scored_as_after_training(trained, tmp_path):
    found = evaluate(run=str(trained.path), out=str(tmp_path / "scores.json"), device="cpu")
    assert found.scores == trained.scores
    assert (found.split, found.n, found.counts) == ("val", 30, (10, 10, 10))
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert Scores.from_json(saved["scores"]) == trained.scores
    assert saved["counts"] == [10, 10, 10]
    assert not (trained.path / "test_ledger.jsonl").exists()


def test_every_look_at_test_images_is_counted(trained):
    for look in (1, 2):
        found = evaluate(run=str(trained.path / "weights.safetensors"), split="test", device="cpu")
        assert found.test_accesses == look
    lines = (trained.path / "test_ledger.jsonl").read_text().splitlines()
    assert [(json.loads(line)["command"], json.loads(line)["images"]) for line in lines] == [("evaluate", 30)] * 2
    assert "were scored 2 times in this run" in render(found)


def test_what_is_printed(trained):
    found = evaluate(run=str(trained.path), device="cpu")
    said = render(found)
    assert " ".join(said.split()).startswith("resnet8 with se on 30 validation images of npz:")
    for name in ("left", "middle", "right"):
        assert said.count(name) >= 3
    assert f"{100 * trained.scores['accuracy']:.1f} %" in said
    assert "Test images" not in said


@pytest.mark.parametrize(
    ("model", "attention", "names"),
    [
        ("ram:glimpses=3,patch=4,hidden=8", None, ("glimpses", "Where it looks")),
        ("resnet8", "hard_channel", ("closed_channels", "Computing no closed channel would save")),
    ],
)
def test_hard_attention_is_reported(model, attention, names, bar_source, tmp_path):
    run = train(data=bar_source, model=model, attention=attention, out=str(tmp_path), recipe=QUICK, device="cpu")
    found = evaluate(run=str(run.path), device="cpu")
    record, title = found.to_json(), names[1]
    assert title in render(found)
    assert [name for name in ("glimpses", "closed_channels") if record[name]] == [names[0]]
    if found.glimpses is not None:
        assert [row.images for row in found.glimpses.rows] == [30] * 3
        assert found.glimpses.rows[-1].accuracy == pytest.approx(found.scores["accuracy"])
    else:
        assert [gate.channels for gate in found.closed.gates] == [16, 32, 64]


def test_other_images(trained, tmp_path, bar_source):
    with np.load(bar_source.removeprefix("npz:")) as arrays:
        kept = dict(arrays)
    np.savez(tmp_path / "same.npz", **kept)
    assert evaluate(run=str(trained.path), data=f"npz:{tmp_path / 'same.npz'}", device="cpu").n == 30
    kept["classes"] = np.array(["right", "middle", "left"])
    np.savez(tmp_path / "turned.npz", **kept)
    found = evaluate(run=str(trained.path), data=f"npz:{tmp_path / 'turned.npz'}", device="cpu")
    assert (found.split, found.n) == ("all", sum(len(kept[key]) for key in kept if key.startswith("y_")))
    kept["classes"] = np.array(["right", "middle", "top"])
    np.savez(tmp_path / "renamed.npz", **kept)
    with pytest.raises(DataError, match=r"does not know: 'top'.*has the classes left, middle, right"):
        evaluate(run=str(trained.path), data=f"npz:{tmp_path / 'renamed.npz'}", device="cpu")


def test_a_folder_of_few_images_is_scored_whole(trained, bar_files, tmp_path):
    paths = bar_files(3)
    for path, label in zip(paths, ("left", "middle", "middle"), strict=True):
        (tmp_path / "hold" / label).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "hold" / label / path.name)
    (tmp_path / "hold/left/broken.png").write_bytes(b"")
    source = f"folder:{tmp_path / 'hold'}"
    found = evaluate(run=str(trained.path), data=source, device="cpu", out=str(tmp_path / "scores.json"))
    assert (found.n, found.split, found.counts) == (3, "all", (1, 2, 0))
    assert "on 3 images of folder:" in " ".join(render(found).split())
    account = json.loads((tmp_path / "scores.json").read_text())["account"]
    assert (account["found"], account["used"], len(account["left_out"])) == (4, {"all": 3}, 1)
    assert evaluate(run=str(trained.path), data=source, split="test", device="cpu").split == "all"
    (tmp_path / "hold").rename(tmp_path / "test")
    (tmp_path / "root").mkdir()
    (tmp_path / "test").rename(tmp_path / "root/test")
    alone = f"folder:{tmp_path / 'root'}"
    assert evaluate(run=str(trained.path), data=alone, split="test", device="cpu").n == 3
    with pytest.raises(RunError, match="has no split 'val', but test"):
        evaluate(run=str(trained.path), data=alone, split="val", device="cpu")
    with pytest.raises(DataError, match="1 of 4 images"):
        evaluate(run=str(trained.path), data=alone, reading=Reading(on_bad="fail"), device="cpu")


def test_what_cannot_be_evaluated(trained, tmp_path):
    with pytest.raises(OptionError, match="split='vla'"):
        evaluate(run=str(trained.path), split="vla")
    with pytest.raises(RunError, match="contains no weights"):
        evaluate(run=str(tmp_path))
