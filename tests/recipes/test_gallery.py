"""Images are chosen without regard to a network; predictions and maps are those of the networks."""

from dataclasses import replace

import pytest
import torch

from regard import training
from regard.core import taps
from regard.data import Reading
from regard.explanation import observe
from regard.recipes.arms import build_arm
from regard.recipes.gallery import IMAGES, _predictions, choose, show_images
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.trial import Design, Job, open_data, open_table
from regard.recipes.usual_arms import QUICK
from tests.explanation.nets import Shared

ARMS = ("none", "se", "cbam", "bam", "sk", "sca_cnn", "hard_spatial", "hard_channel")


def test_every_class_is_shown_before_any_twice():
    labels = torch.tensor([0] * 50 + [1] * 3 + [2] * 10)
    chosen = choose(labels, 8)
    assert len(set(chosen.tolist())) == 8
    assert labels[chosen].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert torch.equal(choose(labels, 8), chosen)


def test_fewer_images_than_asked_for_are_all_shown():
    assert sorted(choose(torch.tensor([0, 1]), 8).tolist()) == [0, 1]


def test_multi_label_images_are_chosen_by_first_class():
    labels = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert labels[choose(labels, 2)].argmax(1).tolist() == [0, 1]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    design = Design(
        data="fashion-mini",
        fingerprint=open_data("fashion-mini", Reading()).fingerprint,
        model="resnet8",
        size=None,
        images=50,
        augment="auto",
        balanced=False,
        recipe=replace(QUICK, epochs=1),
        fit="crop",
        reading=Reading(),
    )
    made = []
    for arm in ARMS:
        trial = folder / arm
        net = build_arm(arm, open_table(design).backbone(design.model), 0)
        training.save_weights(trial / WEIGHTS, net, {})
        made.append(
            Job(
                arm=arm,
                seed=0,
                folder=folder,
                trial_folder=trial,
                design=design,
                device="cpu",
                reference_parameters=0,
                ablation_draws=0,
                ablation_images=0,
                profiled=True,
            )
        )
    return made


def test_every_image_shows_every_arms_maps(jobs):
    shown = show_images(jobs)
    assert len(shown) == IMAGES
    for image in shown:
        assert [p.arm for p in image.predictions] == list(ARMS)
        for arm in ARMS[1:]:
            net = build_arm(arm, open_table(jobs[0].design).backbone(jobs[0].design.model), 0).eval()
            with observe(net) as maps, torch.no_grad():
                net(torch.zeros(1, 1, 28, 28))
            kinds = {path: seen[0].kind.name for path, seen in maps.items()}
            laid = {o.tap for o in image.overlays if o.arm == arm}
            gated = {c.tap: c for c in image.channels if c.arm == arm}
            assert laid == {path for path, kind in kinds.items() if kind in ("spatial", "mixed")}
            assert gated.keys() == {path for path, kind in kinds.items() if kind in ("gate", "mixed", "branch")}
            for path, channels in gated.items():
                expected = maps.one(path).values.shape[2 if kinds[path] == "branch" else 1]
                assert channels.channels == expected
                assert channels.top[0][1] <= channels.high
            assert laid | gated.keys() == taps(net).keys()


def test_every_arm_runs_once(jobs, monkeypatch):
    calls = []

    def count_loader(arm, *options, **named):
        net = build_arm(arm, *options, **named)
        net.register_forward_pre_hook(lambda *_: calls.append(arm))
        return net

    monkeypatch.setattr("regard.recipes.gallery.build_arm", count_loader)
    show_images(jobs)
    assert calls == list(ARMS)


def test_every_step_of_a_shared_module_is_shown(jobs, tmp_path, monkeypatch):
    net = Shared("cbam", channels=1, classes=10)
    training.save_weights(tmp_path / WEIGHTS, net, {})
    monkeypatch.setattr("regard.recipes.gallery.build_arm", lambda *_, **__: Shared("cbam", channels=1, classes=10))
    for image in show_images([replace(jobs[2], trial_folder=tmp_path)]):
        assert [o.tap for o in image.overlays] == ["attention.spatial.gate", "attention.spatial.gate#2"]
        assert [c.tap for c in image.channels] == ["attention.channel.gate", "attention.channel.gate#2"]


def test_attention_of_another_library_is_shown(jobs, tmp_path):
    design = replace(jobs[0].design, model="torchvision:mobilenet_v3_small")
    net = build_arm("none", open_table(design).backbone(design.model), 0)
    training.save_weights(tmp_path / WEIGHTS, net, {})
    for image in show_images([replace(jobs[0], trial_folder=tmp_path, design=design)]):
        assert len(image.channels) == 9
        assert image.channels[0].tap == "features.1.block.1.scale_activation.attention"


def test_prediction_is_class_with_largest_output(jobs):
    design = jobs[0].design
    table = open_table(design)
    test = table.source.splits["test"]
    batch = next(iter(table.loader(test.take(choose(test.labels, IMAGES)))))
    net = build_arm("cbam", table.backbone(design.model), 0).eval()
    with torch.no_grad():
        best = net(batch.images).argmax(1).tolist()
    answers = [next(p for p in image.predictions if p.arm == "cbam") for image in show_images(jobs)]
    assert [a.answer for a in answers] == [table.source.classes[i] for i in best]
    assert [a.right for a in answers] == [i == int(label) for i, label in zip(best, batch.labels, strict=True)]


def test_several_labels_are_right_as_a_whole():
    logits = torch.tensor([1.0, 2.0, -1.0]).expand(2, 3)
    labels = torch.tensor([[1.0, 1, 0], [0, 1, 0]])
    found = _predictions("none", logits, labels, ("a", "b", "c"))
    assert [(p.answer, p.right) for p in found] == [("a, b", True), ("a, b", False)]
    sure = torch.sigmoid(torch.tensor([1.0, 2.0, 1.0])).prod().item()
    assert found[0].probability == pytest.approx(sure)


def test_all_eight_large_images_are_shown(jobs, tmp_path):
    design = replace(jobs[0].design, model="resnet18", size=512)
    net = build_arm("none", open_table(design).backbone(design.model), 0)
    training.save_weights(tmp_path / WEIGHTS, net, {})
    assert len(show_images([replace(jobs[0], design=design, trial_folder=tmp_path)])) == IMAGES
