"""Costs are measured once, counted exactly, and relative to the plain network."""

import json
from dataclasses import replace

import pytest
import torch

from regard.data import Reading
from regard.recipes.costs import COSTS_FILE, measure_arms
from regard.recipes.trial import Design, Job, open_data
from regard.recipes.usual_arms import QUICK

CPU = torch.device("cpu")


def jobs(folder, *arms):
    design = Design(
        data="mnist-mini",
        fingerprint=open_data("mnist-mini", Reading()).fingerprint,
        model="resnet8",
        size=16,
        images=64,
        augment="auto",
        balanced=False,
        recipe=replace(QUICK, epochs=1, batch_size=4),
        fit="crop",
        reading=Reading(),
    )
    return [
        Job(
            arm=arm,
            seed=0,
            folder=folder,
            trial_folder=folder / arm,
            design=design,
            device="cpu",
            reference_parameters=90_000,
            ablation_draws=0,
            ablation_images=0,
            profiled=True,
        )
        for arm in arms
    ]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    return folder, measure_arms(jobs(folder, "none", "se", "wide"), CPU)


def test_counts_are_exact_and_ratios_relative_to_plain(measured):
    _, (plain, se, wide) = measured
    # A gate of reduction 16 has max(1, c // 16) hidden units and both biases.
    added = sum(2 * c * h + h + c for c, h in ((16, 1), (32, 2), (64, 4)))
    assert se.parameters - plain.parameters == added
    assert se.macs - plain.macs == sum(2 * c * h for c, h in ((16, 1), (32, 2), (64, 4)))
    assert (plain.sites, se.sites, wide.sites) == (0, 3, 0)
    assert abs(wide.parameters - 90_000) < 2000
    assert plain.inference.ratio == plain.training.ratio == plain.memory.ratio == 1
    assert se.memory.ratio > 1


def test_what_was_measured_is_kept(measured):
    folder, arms = measured
    assert measure_arms(jobs(folder, "none", "se", "wide"), CPU) == arms


def test_other_arms_or_damaged_files_are_measured_again(measured):
    folder, _ = measured
    path = folder / COSTS_FILE
    assert [arm.spec for arm in measure_arms(jobs(folder, "none", "eca"), CPU)] == ["none", "eca"]
    path.write_text("{")
    assert [arm.spec for arm in measure_arms(jobs(folder, "none", "eca"), CPU)] == ["none", "eca"]
    assert json.loads(path.read_text())["measured"]["arms"] == ["none", "eca"]
