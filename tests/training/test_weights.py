"""A weights file goes round; every other file is refused in a sentence, and none is executed."""

import io
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from regard import __version__
from regard.core import CheckpointError, RunError
from regard.training import load_weights, restore, save_weights


def test_weights_and_metadata_go_round(tmp_path, net, same):
    path, ours, other = tmp_path / "deep" / "w.safetensors", net(0), net(1)
    metadata = {"classes": ["a", "ü"], "preprocessing": {"mean": [0.1, 0.2]}, "history": []}
    save_weights(path, ours, metadata)
    state, found = load_weights(path)
    assert found == {"kind": "weights", "regard": __version__, **metadata}
    assert list(state) == sorted(ours.state_dict())
    assert not same(ours, other)
    assert restore(other, path) == found
    assert same(ours, other)


def test_shared_and_strided_tensors_are_saved(tmp_path):
    x = torch.arange(6.0)
    save_weights(tmp_path / "w.safetensors", {"a": x, "b": x, "c": x[::2], "d": x.reshape(2, 3).t()}, {})
    state, _ = load_weights(tmp_path / "w.safetensors")
    assert torch.equal(state["b"], x)
    assert state["c"].tolist() == [0, 2, 4]
    assert torch.equal(state["d"], x.reshape(2, 3).t())


def test_weights_of_another_network_are_not_loaded(tmp_path, net):
    save_weights(tmp_path / "w.safetensors", net(), {})
    other = nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(4))
    before = other[1].running_mean.fill_(7.0).clone()
    with pytest.raises(CheckpointError) as caught:
        restore(other, tmp_path / "w.safetensors")
    said = str(caught.value)
    assert "these are the weights of another network" in said
    assert "0.weight is 4x2x3x3 and must be 5x2x3x3" in said
    assert "0.bias is missing" in said
    assert "and 5 more" in said
    assert torch.equal(other[1].running_mean, before)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.005, 0.3, 0.7, 0.999])
def test_a_truncated_file(share, tmp_path, net):
    path = tmp_path / "w.safetensors"
    save_weights(path, net(), {"classes": ["a", "b"]})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"w\.safetensors: the file is (truncated|empty)"):
        load_weights(path)


def test_other_files(tmp_path):
    (tmp_path / "text.safetensors").write_text("These are no weights at all, but a line of text.")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_weights(tmp_path / "text.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_weights(tmp_path)
    with pytest.raises(CheckpointError, match="no such file"):
        load_weights(tmp_path / "none.safetensors")


def test_a_file_without_our_metadata(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(CheckpointError, match="no metadata of regard's"):
        load_weights(tmp_path / "bare.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "odd.safetensors", metadata={"regard": "{'classes'"})
    with pytest.raises(CheckpointError, match="metadata are damaged"):
        load_weights(tmp_path / "odd.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "list.safetensors", metadata={"regard": "[1]"})
    with pytest.raises(CheckpointError, match="metadata are damaged"):
        load_weights(tmp_path / "list.safetensors")


class Malicious:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_malicious_pickle_is_refused_and_never_executed(how, tmp_path):
    path, sign = tmp_path / "w.safetensors", tmp_path / "executed"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Malicious(sign)))
    else:
        torch.save({"state_dict": Malicious(sign)}, path)
    with pytest.raises(CheckpointError, match="this is a pickle, and reading a pickle can execute any code"):
        load_weights(path)
    assert not sign.exists()
    torch.load(io.BytesIO(path.read_bytes()), weights_only=False) if how == "torch" else pickle.loads(path.read_bytes())
    assert sign.exists(), "the pickle of this test does nothing, so the test shows nothing"


def test_a_full_disk_leaves_the_old_file_intact(tmp_path, file_limit):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.zeros(10)}, {"old": True})
    with file_limit(20_000), pytest.raises(RunError) as caught:
        save_weights(path, {"a": torch.ones(10_000)}, {})
    assert "could not be written" in str(caught.value)
    assert "The file that was there before is intact" in str(caught.value)
    assert load_weights(path)[1]["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
