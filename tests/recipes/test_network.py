"""A network comes back from its file as it was; whatever cannot be one says why."""

import json

import pytest
import torch

from regard import models, training
from regard.core import CheckpointError, RunError
from regard.data import Preprocessing
from regard.recipes.network import batch_size_for, load_network
from tests.recipes.records import metadata_of

METADATA = metadata_of(
    "resnet8",
    ("a", "b"),
    Preprocessing(size=(12, 12), channels=1, mean=(0.5,), std=(0.2,)),
    attention="se:reduction=4",
    width=[4, 8, 8],
)


def change_record(**fields):
    """The metadata with other values in the record, by their paths with a double underscore for each dot."""
    record = json.loads(json.dumps(METADATA["run"]))
    for path, value in fields.items():
        *above, last = path.split("__")
        part = record
        for name in above:
            part = part[name]
        part[last] = value
    return {"run": record}


@pytest.fixture
def net():
    return models.create("resnet8", attention="se:reduction=4", width=(4, 8, 8), num_classes=2, in_channels=1, seed=5)


def test_a_network_with_its_options(tmp_path, net):
    path = tmp_path / "weights.safetensors"
    training.save_weights(path, net, METADATA)
    for run in (tmp_path, path, str(path)):
        loaded = load_network(run)
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
        ({"network__name": "resnet20"}, "These weights are not those of this resnet20 with se:reduction=4"),
        ({"network__name": "resnet9"}, "no network named 'resnet9'"),
        ({"network__options": {"depth": 3}}, "depth"),
        ({"network": {}}, r"lacks the field 'network\.name'.*Train again"),
        ({"network": None}, r"has network = None, which must be an object.*Train again"),
        ({"task__classes": [1]}, r"has task\.classes\[0\] = 1, which must be a text"),
        ({"input__kind": "smell"}, r"has input\.kind = 'smell', which must be one of 'image', 'text'"),
        ({"input__options": {"size": 3}}, "describes no preprocessing"),
        ({"colour": "red"}, "has the unknown field 'colour'"),
    ],
)
def test_descriptions_of_no_network(change, said, tmp_path, net):
    training.save_weights(tmp_path / "weights.safetensors", net, change_record(**change))
    with pytest.raises(CheckpointError, match=said) as caught:
        load_network(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_weights_without_a_record(tmp_path, net):
    training.save_weights(tmp_path / "weights.safetensors", net, {})
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: its record of the run has .* = None"):
        load_network(tmp_path)


def test_the_task_comes_from_the_record(tmp_path, net):
    training.save_weights(tmp_path / "weights.safetensors", net, change_record(task__options={"multi_label": True}))
    loaded = load_network(tmp_path)
    assert loaded.multi_label
    assert loaded.task().to_json() == loaded.record.to_json()["task"]
    training.save_weights(tmp_path / "weights.safetensors", net, change_record(task__name="counting"))
    with pytest.raises(CheckpointError, match=r"run\.task\.name = 'counting'.*has the tasks 'classification'"):
        load_network(tmp_path).task()


def test_folders_without_weights(tmp_path):
    with pytest.raises(RunError, match="contains no weights"):
        load_network(tmp_path)
    (tmp_path / "settings.yaml").write_text("")
    with pytest.raises(RunError, match="not finished"):
        load_network(tmp_path)
    (tmp_path / "settings.yaml").rename(tmp_path / "trials")
    (tmp_path / "trials").unlink()
    (tmp_path / "trials").mkdir()
    with pytest.raises(RunError, match="is a comparison: name the folder of one trial"):
        load_network(tmp_path)
    with pytest.raises(RunError, match=r"no run or weights file .*weights\.safetensors"):
        load_network(tmp_path / "weights.safetensors")


def test_large_images_are_run_few_at_a_time(tmp_path, net):
    training.save_weights(tmp_path / "weights.safetensors", net, METADATA)
    small = load_network(tmp_path).preprocessing
    assert batch_size_for(small) == 256
    large = type(small)(size=(4000, 4000), channels=3, mean=(0.5,) * 3, std=(0.2,) * 3)
    assert batch_size_for(large) == 1
