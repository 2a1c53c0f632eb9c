"""A trial's record survives only whole; arms of a seed see the same batches."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from regard import data
from regard.core import RunError, taps
from regard.data import Reading
from regard.recipes.arms import build_arm
from regard.recipes.network import load_network
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.trial import (
    TRIAL_FILE,
    Design,
    Job,
    open_data,
    open_table,
    read_trial,
    run_trial,
    trial_folder,
)
from regard.recipes.usual_arms import QUICK

DESIGN = Design(
    data="mnist-mini",
    fingerprint=open_data("mnist-mini", Reading()).fingerprint,
    model="resnet8",
    size=None,
    images=64,
    augment="light",
    balanced=False,
    recipe=replace(QUICK, epochs=1),
    fit="crop",
    reading=Reading(),
)


def job(folder, arm="se", seed=0, draws=1):
    return Job(
        arm=arm,
        seed=seed,
        folder=folder,
        trial_folder=trial_folder(folder, arm, seed),
        design=DESIGN,
        device="cpu",
        reference_parameters=80_000,
        ablation_draws=draws,
        ablation_images=50,
        profiled=True,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    return folder, run_trial(job(folder))


def test_trials_are_read_as_written(finished):
    folder, found = finished
    assert read_trial(trial_folder(folder, "se", 0)) == found
    assert found.trial.epochs == len(found.trial.history) == 1
    assert found.trial.val.n == 1000
    assert found.trial.test.n == 2000


def test_a_damaged_record_counts_as_missing(finished, tmp_path):
    folder, found = finished
    copy = shutil.copytree(trial_folder(folder, "se", 0), tmp_path / "copy")
    text = (copy / TRIAL_FILE).read_text()
    for damaged in (text[: len(text) // 2], "[]", json.dumps({"trial": 1})):
        (copy / TRIAL_FILE).write_text(damaged)
        assert read_trial(copy) is None
    (copy / TRIAL_FILE).write_text(text)
    assert read_trial(copy) == found
    (copy / WEIGHTS).unlink()
    assert read_trial(copy) is None


def test_ablation_has_all_modes_profiles_all_gates(finished):
    folder, found = finished
    assert [row.mode for row in found.ablations] == ["trained", "mean", "swapped", "permuted", "neutral"]
    assert all(row.n == 50 and len(row.accuracies) == 1 for row in found.ablations)
    loaded = load_network(trial_folder(folder, "se", 0))
    assert {p.tap for p in found.gate_profiles} == taps(loaded.net).keys()


def test_its_weights_are_those_that_were_scored(finished):
    folder, found = finished
    loaded = load_network(trial_folder(folder, "se", 0))
    table = open_table(DESIGN)
    right = 0
    with torch.no_grad():
        for batch in table.loader(table.source.splits["val"]):
            right += int((loaded.net(batch.images).argmax(1) == batch.labels).sum())
    assert right / 1000 == pytest.approx(found.trial.val.scores["accuracy"], abs=0.002)


def test_repeated_trials_give_equal_weights(finished, tmp_path):
    folder, _ = finished
    run_trial(job(tmp_path, draws=0))
    first, second = (load_network(trial_folder(f, "se", 0)).net.state_dict() for f in (folder, tmp_path))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_arms_of_a_seed_see_the_same_batches():
    table = open_table(DESIGN)

    def batches(seed):
        loader = data.loader(table.train, table.preprocessing, batch_size=16, augment="light", seed=seed, shuffle=True)
        loader.sampler.set_epoch(2)
        return list(loader)

    build_arm("none", backbone := _backbone(), 5)
    plain = batches(5)
    build_arm("cbam", backbone, 5)
    gated = batches(5)
    assert all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in zip(plain, gated, strict=True)
    )
    assert not torch.equal(plain[0].indices, batches(6)[0].indices)


def _backbone():
    return open_table(DESIGN).backbone(DESIGN.model)


def test_a_trial_refuses_changed_images():
    with pytest.raises(RunError, match="other images"):
        open_table(replace(DESIGN, fingerprint="of other images"))


def test_arms_with_options_have_folders_of_their_own(tmp_path):
    folders = {trial_folder(tmp_path, arm, 0) for arm in ("se", "se:reduction=4", "se:reduction=8", "cbam")}
    assert len(folders) == 4
    assert all(folder.parent.parent == tmp_path / "trials" for folder in folders)


def test_large_images_are_scored_in_small_batches():
    table = open_table(replace(DESIGN, fingerprint=open_table(DESIGN).source.fingerprint, size=512, model="resnet18"))
    sizes = {len(batch.images) for batch in table.loader(table.source.splits["val"].subset(30, seed=0))}
    assert max(sizes) * 512 * 512 <= 3_000_000
