"""A network comes back from its file as it was; whatever cannot be one says why."""

import pytest
import torch

from regard import models, training
from regard.core import CheckpointError, RunError
from regard.recipes.network import batch_size_for, load_network

METADATA = {
    "model": {"name": "resnet8", "attention": "se:reduction=4", "width": [4, 8, 8]},
    "classes": ["a", "b"],
    "preprocessing": {"size": [12, 12], "channels": 1, "mean": [0.5], "std": [0.2]},
}


@pytest.fixture
def net():
    return models.create("resnet8", attention="se:reduction=4", width=(4, 8, 8), num_classes=2, in_channels=1, seed=5)


def test_a_network_with_its_options(tmp_path, net):
    path = tmp_path / "weights.safetensors"
    training.save_weights(path, net, METADATA)
    for place in (tmp_path, path, str(path)):
        loaded = load_network(place)
        x = torch.randn(2, 1, 12, 12)
        assert torch.equal(loaded.net(x), net.eval()(x))
        assert not loaded.net.training
        assert loaded.classes == ("a", "b")
        assert loaded.preprocessing.size == (12, 12)
        assert loaded.name == "resnet8 with se:reduction=4"
        assert not loaded.multi_label


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"name": "resnet20"}}, "weights.safetensors: These weights are not those of this resnet20"),
        ({"model": {"name": "resnet9"}}, "no network named 'resnet9'"),
        ({"model": {"name": "resnet8", "depth": 3}}, "depth"),
        ({"model": {}}, "has no 'name'"),
        ({"model": None}, "cannot be used"),
        ({"classes": None}, "cannot be used"),
        ({"preprocessing": {"size": 3}}, "describes no preprocessing"),
    ],
)
def test_descriptions_of_no_network(change, said, tmp_path, net):
    training.save_weights(tmp_path / "weights.safetensors", net, METADATA | change)
    with pytest.raises(CheckpointError, match=said) as caught:
        load_network(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_folders_without_weights(tmp_path):
    with pytest.raises(RunError, match="holds no weights"):
        load_network(tmp_path)
    (tmp_path / "settings.yaml").write_text("")
    with pytest.raises(RunError, match="not finished"):
        load_network(tmp_path)
    (tmp_path / "settings.yaml").rename(tmp_path / "trials")
    (tmp_path / "trials").unlink()
    (tmp_path / "trials").mkdir()
    with pytest.raises(RunError, match="is a comparison: name the folder of one trial"):
        load_network(tmp_path)
    with pytest.raises(RunError, match=r"no run and no weights file .*weights\.safetensors"):
        load_network(tmp_path / "weights.safetensors")


def test_large_pictures_are_run_few_at_a_time(tmp_path, net):
    training.save_weights(tmp_path / "weights.safetensors", net, METADATA)
    small = load_network(tmp_path).preprocessing
    assert batch_size_for(small) == 256
    large = type(small)(size=(4000, 4000), channels=3, mean=(0.5,) * 3, std=(0.2,) * 3)
    assert batch_size_for(large) == 1
