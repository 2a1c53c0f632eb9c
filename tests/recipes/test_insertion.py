"""Attention in networks of other libraries and of the user, through the commands."""

import json

import pytest
import torch
from PIL import Image

from regard import models
from regard.core import OptionError, SurgeryError, UnknownNameError, taps
from regard.core.run_record import RunRecord
from regard.data import read_image
from regard.recipes.ablate import ablate
from regard.recipes.compare import compare
from regard.recipes.evaluate import evaluate
from regard.recipes.explain import explain, explain_images
from regard.recipes.network import load_network
from regard.recipes.predict import predict
from regard.recipes.train import train
from regard.training import Recipe, load_weights

QUICK = Recipe(epochs=2, batch_size=10, lr=0.05)
GATE = "3.scale_activation.attention"
CODE = """
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import SqueezeExcitation


def gated(num_classes, in_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), SqueezeExcitation(8, 4),
        BasicBlock(8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )


def small(num_classes, in_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        BasicBlock(8, 8), BasicBlock(8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    (folder / "user_nets.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture
def image_folder(tmp_path):
    """Two image files of the bars' size."""
    for number in range(2):
        pixels = torch.randint(0, 256, (12, 12), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.fixture(scope="module")
def plain(workplace, bar_source):
    return train(data=bar_source, model="user_nets:small", out=str(workplace / "plain"), recipe=QUICK, device="cpu")


@pytest.fixture(scope="module")
def frozen(workplace, plain, bar_source):
    """The plain network with squeeze-and-excitation, which alone was trained."""
    return train(
        data=bar_source, model="user_nets:small", attention="se:reduction=2", out=str(workplace / "frozen"),
        weights=str(plain.path / "weights.safetensors"), freeze=True, recipe=QUICK, device="cpu",
    )  # fmt: skip


def test_the_record_holds_the_plan(frozen):
    _, metadata = load_weights(frozen.path / "weights.safetensors")
    record = RunRecord.from_json(metadata["run"], "weights")
    assert record.attention["mechanism"] == "se:reduction=2"
    assert record.attention["start"] == "identity"
    assert [site["path"] for site in record.attention["sites"]] == ["3.bn2", "4.bn2"]
    assert frozen.network == "user_nets:small with se:reduction=2"


def test_only_the_new_parameters_were_trained(plain, frozen):
    before, _ = load_weights(plain.path / "weights.safetensors")
    after, _ = load_weights(frozen.path / "weights.safetensors")
    names = json.loads((frozen.path / "run.json").read_text())["trained"]
    assert all(".attention." in name for name in names)
    learned = [name for name in before if "running" not in name and "batches" not in name]
    assert all(torch.equal(before[name], after[name]) for name in learned)
    assert all(after[name] != 0 for name in names if name.endswith("strength"))


def test_the_commands_open_such_a_run(frozen, bar_source):
    net = load_network(frozen.path).net
    assert len(models.describe(net).sites) == 2
    assert evaluate(run=str(frozen.path), device="cpu")
    assert ablate(str(frozen.path), device="cpu")


def test_it_predicts_images(frozen, image_folder):
    loaded = load_network(frozen.path)
    found = predict([str(image_folder)], run=str(frozen.path), device="cpu").predictions
    assert len(found) == 2
    for one in found:
        pixels = loaded.preprocessing.eval()(read_image(one.image, 1))
        with torch.no_grad():
            likely = loaded.net(pixels[None]).softmax(1)[0]
        assert dict(one.classes) == pytest.approx(dict(zip(loaded.classes, likely.tolist(), strict=True)), abs=1e-6)


def test_its_maps_are_explained(frozen, image_folder, tmp_path):
    done = explain_images([str(image_folder)], run=str(frozen.path), out=str(tmp_path / "maps"), device="cpu")
    assert all((folder / "summary.png").is_file() for folder in done.folders)
    explanation = explain(frozen.path, torch.rand(1, 12, 12))
    assert set(explanation.maps) == {"3.bn2.attention.gate", "4.bn2.attention.gate"}


@pytest.mark.parametrize(("attention", "maps"), [(None, {GATE}), ("eca", {"4.bn2.attention.gate"})])
def test_attention_of_another_library_is_shown(workplace, bar_source, attention, maps):
    done = train(
        data=bar_source, model="user_nets:gated", attention=attention, out=str(workplace / f"gated-{attention}"),
        recipe=Recipe(epochs=1, batch_size=30), device="cpu",
    )  # fmt: skip
    assert set(explain(done.path, torch.rand(1, 12, 12)).maps) == maps
    found = ablate(str(done.path), draws=1, device="cpu").ablation
    assert {path for path, _ in found.taps} == maps
    assert not taps(load_network(done.path).net) or attention


def test_a_resumed_run_trains_the_same_parameters(frozen, workplace, bar_source):
    again = train(resume=str(frozen.path), device="cpu")
    assert again.scores["accuracy"] == frozen.scores["accuracy"]


def test_attention_without_weights_starts_as_published(workplace, bar_source):
    done = train(
        data=bar_source, model="torchvision:resnet18", attention="eca", out=str(workplace / "paper"), size=32,
        recipe=Recipe(epochs=1, batch_size=30), device="cpu",
    )  # fmt: skip
    _, metadata = load_weights(done.path / "weights.safetensors")
    plan = metadata["run"]["attention"]
    assert (plan["start"], len(plan["sites"])) == ("paper", 8)


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"attention": "se", "freeze": True}, OptionError, "--weights"),
        ({"attention": "sea"}, UnknownNameError, "sea"),
        ({"attention": "mil_pool"}, SurgeryError, "vector"),
    ],
)
def test_wrong_options_are_reported_early(workplace, bar_source, options, error, word):
    with pytest.raises(error, match=word):
        train(data=bar_source, model="user_nets:small", out=str(workplace / "no"), recipe=QUICK, **options)
    assert not (workplace / "no").exists()


@pytest.mark.long
def test_networks_of_others_are_compared(workplace, bar_source):
    found = compare(
        ("se:reduction=2", "wide"), data=bar_source, model="user_nets:small", seeds=1, images="all",
        out=str(workplace / "compared"), recipe=QUICK, device="cpu", workers=1,
    )  # fmt: skip
    assert [arm.spec for arm in found.results.arms] == ["none", "se:reduction=2"]
    assert [arm.sites for arm in found.results.arms] == [0, 2]
    trial = next(t for t in found.results.trials if t.arm != "none")
    assert len(models.describe(load_network(workplace / "compared" / trial.weights).net).sites) == 2
