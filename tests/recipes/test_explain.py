import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from regard import data, models, training
from regard.attention import create
from regard.core import DataError, OptionError, RegardError, ShapeError, Tap
from regard.recipes.explain import explain, explain_images
from tests.explanation.nets import Shared
from tests.recipes.records import metadata_of

CLASSES = ("coat", "bag", "boot")
PREPROCESSING = data.Preprocessing(size=(16, 12), channels=1, mean=(0.3,), std=(0.25,))


def network(attention="cbam", **options):
    return models.create(
        "resnet8", num_classes=3, in_channels=1, attention=attention, width=0.25, seed=0, **options
    ).eval()


def save_network(tmp_path, attention="cbam", multi_label=False):
    options = {"attention": attention, "width": 0.25, "multi_label": multi_label}
    metadata = metadata_of("resnet8", CLASSES, PREPROCESSING, **options)
    training.save_weights(tmp_path / "weights.safetensors", network(attention), metadata)
    return tmp_path / "weights.safetensors"


def photograph(tmp_path, name="photo.png", size=(40, 30)):
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path / name


def test_a_weights_file_knows_its_classes_and_preprocessing(tmp_path):
    found = explain(save_network(tmp_path), photograph(tmp_path), top=2)
    image = data.read_image(photograph(tmp_path), 1)
    expected = network()(PREPROCESSING.eval()(image)[None]).softmax(1)[0]
    assert found.probabilities == pytest.approx(expected.tolist(), rel=1e-4)
    assert found.classes == CLASSES
    assert found.answers(1) == ((CLASSES[expected.argmax()], pytest.approx(expected.max().item(), rel=1e-4)),)
    assert found.network == "resnet8 with cbam"
    assert found.image.shape == (1, 16, 12)
    kinds = {path.split(".")[-2]: attn.kind.name for path, attn in found.maps.items()}
    assert kinds == {"channel": "gate", "spatial": "spatial"}
    assert all(channels.features.shape[1] == 2 for channels in found.active.values())


def test_file_image_and_tensor_give_equal_explanations(tmp_path):
    path = photograph(tmp_path)
    weights = save_network(tmp_path)
    pixels = data.read_image(path, 1)
    prepared = PREPROCESSING.eval()(pixels)
    ways = [explain(weights, image) for image in (path, str(path), Image.open(path), pixels, prepared, prepared[None])]
    for way in ways:
        assert way.probabilities == pytest.approx(ways[0].probabilities, rel=1e-5)
        assert torch.equal(way.image, ways[0].image)


def test_bare_network_gets_unit_values_at_original_size(tmp_path):
    net = network("se")
    found = explain(net, photograph(tmp_path), classes=CLASSES)
    image = data.read_image(photograph(tmp_path), 1)
    assert torch.equal(found.image, image)
    expected = net(image[None].float() / 255).softmax(1)[0].tolist()
    assert found.probabilities == pytest.approx(expected, rel=1e-4)


def test_position_maps_are_overlaid_channel_maps_are_ranked():
    found = explain(network("bam"), torch.rand(1, 20, 24))
    assert list(found.overlays()) == list(found.maps) == list(found.active)  # mixed maps are both
    assert explain(network("se"), torch.rand(1, 20, 24)).overlays() == {}
    assert explain(network("sk"), torch.rand(1, 20, 24)).overlays() == {}


def test_a_network_without_classes_still_shows_its_maps(tmp_path):
    net = nn.Sequential(create("cbam_spatial", channels=2))
    found = explain(net, torch.rand(2, 9, 9))
    assert found.probabilities == found.answers() == ()
    found.save(tmp_path / "out")


def test_several_calls_of_one_tap_have_distinct_names():
    gate = create("se", channels=2)
    found = explain(nn.Sequential(gate, nn.ReLU(), gate), torch.rand(2, 9, 9))
    assert list(found.maps) == ["0.gate", "0.gate#2"]


def test_network_in_training_mode_is_restored():
    net = network().train()
    before = [buffer.clone() for buffer in net.buffers()]
    explain(net, torch.rand(1, 16, 16))
    assert all(module.training for module in net.modules())
    assert all(map(torch.equal, before, net.buffers()))


def test_an_image_with_several_classes_has_independent_probabilities(tmp_path):
    path = save_network(tmp_path, multi_label=True)
    found = explain(path, torch.rand(1, 16, 12))
    logits = network()(torch.zeros(1, 1, 16, 12))  # only to have the number of classes
    assert len(found.probabilities) == logits.shape[1]
    assert sum(found.probabilities) != pytest.approx(1.0)


def test_wrong_inputs_are_said():
    with pytest.raises(ShapeError, match=r"\(2, 1, 8, 8\); it must be one image"):
        explain(network(), torch.rand(2, 1, 8, 8))
    with pytest.raises(ShapeError, match="scores of 3 classes, but 2 are named"):
        explain(network(), torch.rand(1, 8, 8), classes=("a", "b"))
    with pytest.raises(OptionError, match="the image is a ndarray"):
        explain(network(), np.zeros((8, 8, 1)))
    with pytest.raises(DataError, match=r"of mode F, cannot be used"):
        explain(network(), Image.new("F", (8, 8)))
    with pytest.raises(RegardError, match="top=0"):
        explain(network(), torch.rand(1, 8, 8), top=0)
    with pytest.raises(RegardError, match="has no taps"):
        explain(models.create("resnet8", num_classes=3, in_channels=1), torch.rand(1, 8, 8))


def test_maps_of_other_kinds_are_kept_undrawn(tmp_path):
    class Warped(nn.Module):
        def __init__(self):
            super().__init__()
            self.tap = Tap("grid")

        def forward(self, x):
            return self.tap(torch.zeros(len(x), *x.shape[2:], 2)).sum((1, 2))

    folder = explain(Warped(), torch.rand(1, 8, 8)).save(tmp_path / "out")
    assert np.load(folder / "maps.npz")["tap"].shape == (8, 8, 2)
    assert json.loads((folder / "manifest.json").read_text())["maps"][0]["files"] == []


def test_every_step_of_shared_modules_is_drawn(tmp_path):
    found = explain(Shared("cbam", channels=1), torch.rand(1, 8, 8))
    names = [f"attention.{half}.gate{step}" for half in ("channel", "spatial") for step in ("", "#2")]
    assert list(found.maps) == names
    assert list(found.active) == names[:2]
    assert list(found.overlays()) == names[2:]
    manifest = json.loads((found.save(tmp_path / "out") / "manifest.json").read_text())
    assert [entry["name"] for entry in manifest["maps"]] == names
    assert all(entry["files"] for entry in manifest["maps"])


def test_an_image_takes_one_forward_pass():
    net, calls = network(), []
    net.register_forward_pre_hook(lambda *_: calls.append(1))
    explain(net, torch.rand(1, 8, 8))
    assert len(calls) == 1


def test_the_record_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        explain(network(), torch.rand(1, 8, 8)).network = "x"


def test_images_of_one_name_get_distinct_folders(tmp_path):
    (tmp_path / "a").mkdir()
    first, second = photograph(tmp_path), photograph(tmp_path / "a")
    done = explain_images(
        [str(first), str(second)], run=str(save_network(tmp_path)), out=str(tmp_path / "out"), device="cpu", top=1
    )
    assert [folder.relative_to(tmp_path / "out").as_posix() for folder in done.folders] == ["photo", "photo-2"]
    assert all((folder / "summary.png").is_file() for folder in done.folders)
    assert str(tmp_path / "out" / "photo-2" / "summary.png") in str(done)


def test_without_images_one_of_fashion_mini_is_explained(tmp_path):
    (folder,) = explain_images(run=str(save_network(tmp_path)), out=str(tmp_path / "out"), device="cpu").folders
    assert folder.name == "fashion-mini"


def test_the_shipped_network_knows_an_ankle_boot(tmp_path):
    source = data.open_source("fashion-mini")
    validation = source.splits["val"]
    boots = [i for i, label in enumerate(validation.labels.tolist()) if source.classes[label] == "Ankle boot"]
    answers = [explain(None, validation.read(i)).answers(1)[0][0] for i in boots[:10]]
    assert answers.count("Ankle boot") >= 7


def test_unreadable_images_are_left_out_and_counted(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    photograph(folder, "a.png")
    (folder / "broken.png").write_bytes(b"")
    (folder / "IMG.heic").write_bytes(b"x")
    run = str(save_network(tmp_path))
    done = explain_images([str(folder)], run=run, out=str(tmp_path / "out"), device="cpu")
    assert (len(done.explanations), done.account.found, len(done.account.bad)) == (1, 3, 2)
    assert "3 files: 1 used (explained 1), 2 left out" in str(done)
    with pytest.raises(DataError, match=r"IMG\.heic: it is HEIC"):
        explain_images([str(folder)], run=run, out=str(tmp_path / "out"), on_bad="fail", device="cpu")
    with pytest.raises(DataError, match="no image of 1 could be read"):
        explain_images([str(folder / "broken.png")], run=run, out=str(tmp_path / "out"), device="cpu")
