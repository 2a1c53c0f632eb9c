import io
import json

import pytest
from rich.console import Console

from regard import data, explanation, models, training
from regard.core import DataError, OptionError, RegardError, RunError, UnknownNameError
from regard.explanation import Ablation
from regard.recipes.ablate import ablate
from tests.recipes.records import metadata_of

SOURCE = data.open_source("fashion-mini")
PREPROCESSING = data.preprocessing_for(SOURCE)


def save_network(folder, attention="se", data={"name": "fashion-mini"}):  # noqa: B006 (never changed)
    """A run's folder with an untrained network in it."""
    options = {"attention": attention, "width": 0.25}
    net = models.create("resnet8", num_classes=10, in_channels=1, seed=0, **options).eval()
    metadata = metadata_of("resnet8", SOURCE.classes, PREPROCESSING, data=data, **options)
    folder.mkdir(exist_ok=True)
    training.save_weights(folder / "weights.safetensors", net, metadata)
    return folder, net


def text(record):
    console = Console(width=200, file=io.StringIO())
    console.print(record)
    return console.file.getvalue()


def test_ablates_the_run_on_validation_images(tmp_path):
    folder, net = save_network(tmp_path / "run")
    done = ablate(str(folder), images=40, training_images=30, draws=2, seed=3, device="cpu")
    evaluation = data.loader(SOURCE.splits["val"].subset(40, 3), PREPROCESSING, batch_size=256)
    train = data.loader(SOURCE.splits["train"].subset(30, 3), PREPROCESSING, batch_size=256)
    assert done.ablation == explanation.ablate(net, evaluation, train, draws=2, seed=3)
    assert (done.ablation.images, done.ablation.training_images) == (40, 30)
    written = json.loads((folder / "ablation.json").read_text())
    assert Ablation.from_json(written) == done.ablation
    assert written["split"] == "val"
    assert "torch" in written["versions"]


def test_the_table_has_every_row_and_the_conclusion(tmp_path):
    folder, _ = save_network(tmp_path / "run")
    done = ablate(str(folder), images=20, training_images=20, draws=2, device="cpu")
    shown = text(done)
    for words in ("as trained", "frozen at their mean", "from another image", "in another order", "neutral"):
        assert shown.count(f"{words}") >= 2  # as it is, and with normalisation recomputed
    assert f"{100 * done.ablation.row('neutral').accuracy:.1f} %" in shown
    assert "It is not shown that" in shown
    assert "resnet8 with se on 20 validation images of fashion-mini" in shown


def test_a_weights_file_out_and_chosen_taps(tmp_path):
    folder, _ = save_network(tmp_path / "run", "cbam")
    done = ablate(
        str(folder / "weights.safetensors"),
        images=10,
        training_images=10,
        draws=1,
        renormalise="no",
        taps=["*.spatial.gate"],
        out=str(tmp_path / "elsewhere" / "found.json"),
        device="cpu",
    )
    assert {kind for _, kind in done.ablation.taps} == {"spatial"}
    assert not any(row.renormalised for row in done.ablation.rows)
    assert done.path.is_file()
    assert not (folder / "ablation.json").exists()


def test_what_cannot_be_ablated_is_said(tmp_path):
    with pytest.raises(RegardError, match="has no taps"):
        ablate(str(save_network(tmp_path / "plain", None)[0]), device="cpu")
    with pytest.raises(OptionError, match="name the images with --data"):
        ablate(str(save_network(tmp_path / "unknown", data=None)[0]), device="cpu")
    folder, _ = save_network(tmp_path / "run")
    with pytest.raises(DataError, match=r"mnist-mini has classes that the network does not know: '0', '1'"):
        ablate(str(folder), data="mnist-mini", device="cpu")
    with pytest.raises(UnknownNameError, match=r"'layer1\.0\.attention\.gate'"):
        ablate(str(folder), taps=["layer1.0.attention.gat"], device="cpu")
    with pytest.raises(OptionError, match="renormalise='maybe'"):
        ablate(str(folder), renormalise="maybe", device="cpu")
    with pytest.raises(OptionError, match="images=1 "):
        ablate(str(folder), images=1, device="cpu")


def test_failed_write_keeps_the_old_result(tmp_path):
    folder, _ = save_network(tmp_path / "run")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(RunError, match="could not be written"):
        ablate(
            str(folder),
            images=10,
            training_images=10,
            draws=1,
            out=str(tmp_path / "taken" / "x.json"),
            device="cpu",
        )
    assert (tmp_path / "taken").read_text() == "mine"
