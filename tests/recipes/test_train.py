"""From images to a run's folder; a run that was stopped ends as if it never had been."""

import csv
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regard import models
from regard.attention import export_weights
from regard.cli.parser import CommandParser
from regard.core import CheckpointError, OptionError, RunError
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import Reading
from regard.recipes.ablate import ablate
from regard.recipes.evaluate import evaluate
from regard.recipes.explain import explain
from regard.recipes.network import load_network
from regard.recipes.predict import predict
from regard.recipes.run_folder import read_settings
from regard.recipes.train import train
from regard.training import Recipe, load_weights

QUICK = Recipe(epochs=2, batch_size=10, lr=0.05)


def test_what_a_run_leaves(trained, bar_source):
    folder = trained.path
    names = {path.name for path in folder.iterdir()}
    assert names >= {"settings.yaml", "run.json", "weights.safetensors", "last.safetensors", "epochs.csv", "steps.csv"}
    assert not [name for name in names if name.startswith(".")]
    _, metadata = load_weights(folder / "weights.safetensors")
    record = RunRecord.from_json(metadata["run"], "weights.safetensors")
    assert record.task.classes == ("left", "middle", "right")
    assert record.network == NetworkRecord(name="resnet8", options={"attention": "se"})
    assert (record.input.kind, record.input.options["size"]) == ("image", [12, 12])
    assert record.data.name == bar_source
    assert json.loads((folder / "run.json").read_text())["run"] == metadata["run"]
    assert len(metadata["history"]) == 2
    assert read_settings(folder).recipe == QUICK
    with (folder / "epochs.csv").open() as file:
        assert [float(row["val_accuracy"]) for row in csv.DictReader(file)][-1] == pytest.approx(
            trained.scores["accuracy"]
        )
    assert f"accuracy {100 * trained.scores['accuracy']:.1f} %" in str(trained)
    assert f"regard evaluate {folder}" in str(trained)


def test_the_saved_settings_are_a_run_file(trained, tmp_path, bar_source):
    parser = CommandParser("train", train)
    keywords = parser.parse(["--config", str(trained.path / "settings.yaml"), "--out", str(tmp_path / "again")])
    assert keywords["recipe"] == QUICK
    again = train(**keywords)
    ours, theirs = (load_weights(path / "weights.safetensors")[0] for path in (trained.path, again.path))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_options_of_the_recipe_are_flat_options():
    typed = ["--data", "mnist-mini", "--epochs", "3", "--optimizer", "adamw", "--attention", "cbam:reduction=4"]
    keywords = CommandParser("train", train).parse(typed)
    assert keywords["recipe"] == Recipe(epochs=3, optimizer="adamw")
    assert keywords["recipe"].lr == 0.001
    assert keywords["attention"] == "cbam:reduction=4"


def test_a_run_is_not_overwritten(trained, bar_source):
    before = (trained.path / "weights.safetensors").read_bytes()
    with pytest.raises(RunError, match="already contains a training run"):
        train(data=bar_source, model="resnet8", out=str(trained.path), recipe=QUICK, device="cpu")
    assert (trained.path / "weights.safetensors").read_bytes() == before


def test_what_cannot_be_had_leaves_no_folder(tmp_path, bar_source):
    out = str(tmp_path / "run")
    with pytest.raises(OptionError, match="--data"):
        train(out=out)
    with pytest.raises(LookupError, match="Did you mean 'resnet8'"):
        train(data=bar_source, model="resnet9", out=out)
    with pytest.raises(LookupError, match="Did you mean 'cbam'"):
        train(data=bar_source, model="resnet8", attention="cbma", out=out)
    with pytest.raises(CheckpointError, match="no such file"):
        train(data=bar_source, model="resnet8", weights=str(tmp_path / "no.pth"), out=out)
    with pytest.raises(OptionError, match="float16"):
        train(data=bar_source, model="resnet8", recipe=Recipe(precision="float16"), device="cpu", out=out)
    assert not Path(out).exists()


def test_wrong_names_are_reported_before_reading_images(tmp_path):
    nowhere = f"folder:{tmp_path / 'nowhere'}"
    with pytest.raises(LookupError, match="Did you mean 'resnet8'"):
        train(data=nowhere, model="resnet9", out=str(tmp_path / "run"))
    with pytest.raises(LookupError, match="Did you mean 'cbam'"):
        train(data=nowhere, model="resnet8", attention="cbma", out=str(tmp_path / "run"))
    with pytest.raises(CheckpointError, match="no such file"):
        train(data=nowhere, model="resnet8", weights=str(tmp_path / "no.pth"), out=str(tmp_path / "run"))


def interrupt_when(path: Path) -> threading.Thread:
    """Presses Ctrl-C once `path` exists."""

    def press() -> None:
        while not path.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    return thread


@pytest.mark.example
def test_ctrl_c_and_resume(tmp_path, bar_source, capsys):
    """The recipe has all that draws random numbers, and epochs enough not to be done before Ctrl-C arrives."""
    recipe = Recipe(epochs=12, batch_size=16, lr=0.02, mixup=0.2, cutmix=1.0, ema=0.9, keep="best")
    settings = {"data": bar_source, "model": "resnet8", "attention": "cbam", "seed": 4, "augment": "standard"}
    run, whole = tmp_path / "run", tmp_path / "whole"
    thread = interrupt_when(run / "last.safetensors")
    with pytest.raises(KeyboardInterrupt, match=r"after \d+ of 12 epochs\. Continue with: regard train --resume"):
        train(**settings, out=str(run), recipe=recipe, device="cpu")
    thread.join()
    assert not (run / "weights.safetensors").exists()
    with pytest.raises(RunError, match=r"not finished: finish it with `regard train --resume"):
        load_network(run)
    with pytest.raises(RunError, match=r"was started with other settings \(model was resnet8, not resnet56"):
        train(resume=str(run), model="resnet56")
    resumed = train(resume=str(run), device="cpu")
    expected = train(**settings, out=str(whole), recipe=recipe, device="cpu")
    ours, theirs = (load_weights(path / "weights.safetensors")[0] for path in (run, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (run / "steps.csv").read_bytes() == (whole / "steps.csv").read_bytes()
    assert resumed.scores == expected.scores
    capsys.readouterr()
    assert train(resume=str(run)) == resumed
    assert "is already finished" in " ".join(capsys.readouterr().err.split())


def test_changed_images_prevent_resuming(tmp_path, bar_source):
    import shutil

    import numpy as np

    source = tmp_path / "bars.npz"
    shutil.copy(bar_source.removeprefix("npz:"), source)
    train(data=f"npz:{source}", model="resnet8", out=str(tmp_path / "run"), recipe=QUICK, device="cpu")
    (tmp_path / "run/run.json").write_text((tmp_path / "run/run.json").read_text().replace('"result": {', '"was": {'))
    with np.load(source) as arrays:
        changed = dict(arrays)
    changed["x_train"] = changed["x_train"] // 2
    np.savez(source, **changed)
    with pytest.raises(RunError, match="contains other images now"):
        train(resume=str(tmp_path / "run"), device="cpu")


def test_weights_of_another_library_with_another_head(tmp_path, bar_source, capsys):
    old = models.create("torchvision:shufflenet_v2_x0_5", num_classes=5, seed=1)
    torch.save(old.state_dict(), tmp_path / "old.pth")
    trained = train(
        data=bar_source,
        model="torchvision:shufflenet_v2_x0_5",
        weights=str(tmp_path / "old.pth"),
        size=32,
        out=str(tmp_path / "run"),
        recipe=Recipe(epochs=1, batch_size=45, warmup_epochs=0),
        device="cpu",
    )
    said = " ".join(capsys.readouterr().err.split())
    assert "fc.weight, fc.bias are newly initialised, as the number of classes differs" in said
    loaded = load_network(trained.path)
    assert loaded.preprocessing.channels == 3
    assert loaded.net.fc.out_features == 3


def test_attention_is_inserted_into_our_trained_network(tmp_path, trained, bar_source, capsys):
    plain = train(data=bar_source, model="resnet8", out=str(tmp_path / "plain"), recipe=QUICK, device="cpu")
    tuned = train(
        data=bar_source,
        model="resnet8",
        attention="se:start=identity",
        weights=str(plain.path / "weights.safetensors"),
        out=str(tmp_path / "tuned"),
        recipe=Recipe(epochs=1, batch_size=30, lr=1e-6, attention_lr=10.0),
        device="cpu",
    )
    assert "3 attention modules are new" in " ".join(capsys.readouterr().err.split())
    assert tuned.scores["accuracy"] == pytest.approx(plain.scores["accuracy"], abs=0.1)


def test_mechanisms_of_another_library_are_read_from_weights(tmp_path, bar_source, capsys):
    old = models.create("se_resnet8", num_classes=3, in_channels=1, seed=1)
    state = {name: value for name, value in old.state_dict().items() if ".attention." not in name}
    for path in ("layer1.0.attention", "layer2.0.attention", "layer3.0.attention"):
        theirs = export_weights(old.get_submodule(path), "timm")
        state |= {f"{path}.{name}": value for name, value in theirs.items()}
    torch.save(state, tmp_path / "old.pth")
    settings = {"data": bar_source, "model": "resnet8", "attention": "se", "weights": str(tmp_path / "old.pth")}
    train(**settings, out=str(tmp_path / "run"), recipe=Recipe(epochs=1, batch_size=45), device="cpu")
    assert "3 attention modules were read in timm's layout" in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def photographs(tmp_path, bar_files):
    """A folder of RGB images with a table of their labels; one of them cannot be read."""
    paths = bar_files(36)
    rows = ["file,split,left,middle,right,any"]
    for number, path in enumerate(paths):
        has = [int(name in path.name) for name in ("left", "middle", "right")]
        split = "val" if number >= 30 else "test" if number >= 27 else "train"
        rows.append(f"{path.name},{split},{','.join(map(str, has))},{int(has[0] or has[2])}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    paths[3].write_bytes(paths[3].read_bytes()[:40])
    return paths[0].parent


def test_several_labels_from_a_table(tmp_path, photographs, capsys):
    trained = train(
        data=f"folder:{photographs}",
        reading=Reading(labels=str(tmp_path / "labels.csv")),
        model="resnet8",
        attention="se",
        size=16,
        out=str(tmp_path / "run"),
        recipe=Recipe(epochs=3, batch_size=9, lr=0.05, class_weights="balanced"),
        device="cpu",
        workers=0,
    )
    assert "1 left out, it" in " ".join(capsys.readouterr().err.split())
    assert trained.scores.choice == "mean_average_precision"
    assert "mean average precision" in str(trained)
    scored = evaluate(run=str(trained.path), device="cpu")
    assert scored.scores == trained.scores
    assert len(scored.by_class.f1) == 4
    ablated = ablate(str(trained.path), draws=1, renormalise="no", device="cpu")
    assert ablated.ablation.row("trained").accuracy == scored.scores["accuracy"]
    said = predict([str(photographs)], run=str(trained.path), top=4, device="cpu")
    assert said.multi_label
    assert len(said.account.bad) == 1
    assert len(said.predictions) == 35
    assert all(0 <= p <= 1 for prediction in said.predictions for _, p in prediction.classes)


def test_a_folder_of_photographs_read_by_other_processes(tmp_path, bar_files):
    for path in bar_files(30):
        folder = tmp_path / "sorted" / path.stem.split("-")[1]
        folder.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("RGB").save(folder / f"{path.stem}.jpg")
    options = {"data": f"folder:{tmp_path / 'sorted'}", "model": "resnet8", "size": 16, "device": "cpu"}
    recipe = Recipe(epochs=1, batch_size=8, lr=0.02)
    for workers in (0, 2):
        train(**options, balanced=True, workers=workers, out=str(tmp_path / f"run{workers}"), recipe=recipe)
    ours, theirs = (load_weights(tmp_path / f"run{n}/weights.safetensors")[0] for n in (0, 2))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="session")
def in_patches(bar_source, tmp_path_factory):
    """A resnet8 with squeeze-and-excitation that sees images of 24 pixels in overlapping patches of 12."""
    out = tmp_path_factory.mktemp("runs") / "patches"
    return train(
        data=bar_source, model="resnet8", attention="se", size=24, patch=12, patch_stride=6, out=str(out), recipe=QUICK,
        device="cpu",
    )  # fmt: skip


def test_patch_run_is_rebuilt_from_its_folder(in_patches, bar_source, bar_files):
    _, metadata = load_weights(in_patches.path / "weights.safetensors")
    assert metadata["run"]["network"]["options"] == {"attention": "se", "patch": 12, "patch_stride": 6}
    assert metadata["run"]["input"]["options"]["resize"] == "exact"
    assert in_patches.network == "resnet8 with se in patches of 12 pixels"
    loaded = load_network(in_patches.path)
    assert loaded.net.grid(24, 24) == (3, 3)
    assert evaluate(run=str(in_patches.path), device="cpu").scores == in_patches.scores
    files = [str(path) for path in bar_files(3)]
    assert len(predict(files, run=str(in_patches.path), device="cpu").predictions) == 3


def test_patch_run_is_explained_and_ablated_by_patches(in_patches, bar_files, tmp_path):
    found = explain(in_patches.path, bar_files(1)[0])
    assert {name: tuple(attn.values.shape) for name, attn in found.maps.items()} == {"pool.spatial": (1, 1, 3, 3)}
    assert list(found.overlays()) == ["pool.spatial"]
    assert (found.save(tmp_path / "explained") / "summary.png").is_file()
    ablated = ablate(str(in_patches.path), draws=1, renormalise="no", device="cpu", out=str(tmp_path / "ablation.json"))
    assert [path for path, _ in ablated.ablation.taps] == ["pool.spatial"]


def test_recomputing_changes_nothing_but_the_memory(in_patches, bar_source, tmp_path):
    again = train(
        data=bar_source, model="resnet8", attention="se", size=24, patch=12, patch_stride=6, recompute=True,
        out=str(tmp_path / "again"), recipe=QUICK, device="cpu",
    )  # fmt: skip
    ours, theirs = (load_weights(path / "weights.safetensors")[0] for path in (in_patches.path, again.path))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_patches_start_with_the_plain_networks_weights(trained, bar_source, tmp_path, capsys):
    weights = str(trained.path / "weights.safetensors")
    still = Recipe(epochs=1, batch_size=10, lr=1e-12, weight_decay=0.0)
    settings = {"data": bar_source, "model": "resnet8", "attention": "se", "weights": weights, "device": "cpu"}
    patched = train(**settings, patch=12, out=str(tmp_path / "patches"), recipe=still)
    assert "1 attention modules are new" in capsys.readouterr().err.replace("\n", " ")
    state, plain = (load_weights(path)[0] for path in (patched.path / "weights.safetensors", Path(weights)))
    torch.testing.assert_close(state["net.conv1.weight"], plain["conv1.weight"])
    torch.testing.assert_close(state["fc.weight"], plain["fc.weight"])


def test_a_stride_needs_a_patch(bar_source, tmp_path):
    with pytest.raises(OptionError, match=r"patch_stride=4 is not allowed without patch="):
        train(data=bar_source, model="resnet8", patch_stride=4, out=str(tmp_path / "run"), device="cpu")
    assert not (tmp_path / "run").exists()


def test_lost_weights_are_restored_or_reported(tmp_path, bar_source, capsys):
    run = tmp_path / "run"
    done = train(data=bar_source, model="resnet8", out=str(run), recipe=Recipe(epochs=1, batch_size=30), device="cpu")
    weights = run / "weights.safetensors"
    whole, state = weights.read_bytes(), load_weights(weights)[0]
    for lose in (weights.unlink, lambda: weights.write_bytes(whole[:-100])):
        lose()
        assert train(resume=str(run), device="cpu").scores == done.scores
        assert "They are restored from the last checkpoint" in " ".join(capsys.readouterr().err.split())
        again = load_weights(weights)[0]
        assert all(torch.equal(again[name], value) for name, value in state.items())
    weights.unlink()
    (run / "last.safetensors").unlink()
    with pytest.raises(RunError, match=r"was finished, but its weights are lost: .*weights\.safetensors: there is no"):
        train(resume=str(run), device="cpu")


def test_a_run_that_was_killed_is_recognised(tmp_path, bar_source, capsys):
    run = tmp_path / "run"
    train(data=bar_source, model="resnet8", out=str(run), recipe=Recipe(epochs=1, batch_size=30), device="cpu")
    facts = json.loads((run / "run.json").read_text())
    for ended, said in ((None, True), ("KeyboardInterrupt", False)):
        (run / "run.json").write_text(json.dumps(facts | {"result": None, "ended": ended}))
        train(resume=str(run), device="cpu")
        assert ("was stopped from outside" in " ".join(capsys.readouterr().err.split())) == said


def test_narrow_16_bit_range_is_learnt_and_saved(tmp_path):
    rng = np.random.default_rng(0)
    for label, axis in (("down", 0), ("right", 1)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(40):
            wave = np.sin(np.indices((16, 16))[axis] * 1.5 + rng.uniform(0, 6)) + 0.3 * rng.standard_normal((16, 16))
            image = Image.fromarray((1027 + 70 * wave).astype(np.uint16))
            image.save(tmp_path / "set" / label / f"{i}.png")
    recipe = Recipe(epochs=6, batch_size=14, lr=0.05)
    run = train(
        data=f"folder:{tmp_path / 'set'}", model="resnet8", out=str(tmp_path / "run"), recipe=recipe, device="cpu"
    )
    assert run.scores["accuracy"] > 0.8
    low, high = load_network(run.path).preprocessing.value_range
    assert 800 < low < 1000 < 1100 < high < 1250
    found = predict([str(tmp_path / "set")], run=str(run.path), top=1, device="cpu").predictions
    right = [prediction.classes[0][0] == prediction.image.parent.name for prediction in found]
    assert sum(right) > 0.8 * len(right)
