import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from regard.core import RunError
from regard.core.kinds import find_kind
from regard.core.records import Map, Maps
from regard.data import Reading
from regard.recipes.clips import load_clip_network, open_clips_for
from regard.recipes.explain import explain_images
from regard.recipes.explain_clip import explain_clip, read_maps


def test_frames_with_the_shape_have_greatest_weights(clip_run):
    loaded = load_clip_network(clip_run.path)
    clips = open_clips_for(loaded, None, "val", Reading()).clips
    hits = 0
    for index in range(len(clips)):
        found = explain_clip(loaded, clips, index)
        (weights,) = found.weights.values()
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        hits += int(weights[0].argmax()) == int(clips.read(index).amax((0, 2, 3)).argmax())
    assert hits > 0.9 * len(clips)


def test_every_clip_gets_a_folder_of_its_own(clip_run, tmp_path):
    found = explain_images(run=str(clip_run.path), out=str(tmp_path), device="cpu")
    assert len(found.folders) == 4
    manifest = json.loads((found.folders[0] / "manifest.json").read_text())
    assert manifest["maps"][0]["name"] == "pool.frame"
    assert all((found.folders[0] / file).exists() for file in manifest["files"])
    stored = np.load(found.folders[0] / "maps.npz")["pool.frame"]
    np.testing.assert_array_equal(stored, found.explanations[0].weights["pool.frame"])
    assert "is that of frame" in str(found)


def test_a_network_without_attention_is_refused(clip_run):
    loaded = load_clip_network(clip_run.path)
    clips = open_clips_for(loaded, None, "val", Reading()).clips
    with pytest.raises(RunError, match="a network without attention"):
        explain_clip(replace(loaded, net=torch.nn.ReLU()), clips, 0)


def test_maps_of_steps_and_frames_are_told_apart():
    maps, spatial = Maps(), find_kind("spatial")
    for step in range(3):
        maps.add(Map("looks", spatial, torch.full((1, 1, 2, 4), float(step)), 1.0, step=step))
    maps.add(Map("frames.gate", spatial, torch.ones(3, 1, 5, 5), 1.0))
    maps.add(Map("blocks.gate", spatial, torch.ones(1, 1, 3, 6, 6), 1.0))
    maps.add(Map("pool.spatial", spatial, torch.ones(1, 2, 3), 1.0))
    maps.add(Map("frames.se", find_kind("gate"), torch.ones(3, 8, 1, 1), 1.0))
    weights, found = read_maps(maps, 3)
    assert {name: tuple(values.shape) for name, values in found.items()} == {
        "looks": (3, 2, 4),
        "frames.gate": (3, 5, 5),
        "blocks.gate": (3, 6, 6),
    }
    assert found["looks"][2].unique().tolist() == [2]
    assert list(weights) == ["pool.spatial"]
