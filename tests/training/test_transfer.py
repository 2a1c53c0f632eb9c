"""Trained weights are loaded except for new parts; other files are refused, and none is executed."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from regard.attention import create
from regard.core import CheckpointError
from regard.training.transfer import read_state, transfer


def make(classes: int, *, attention: bool = False) -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, classes)]
    net = nn.Sequential(*layers)
    if attention:
        net.add_module("gate", create("cbam", channels=8))
    return net


def test_a_head_for_other_classes_is_initialised():
    old, new = make(10), make(3)
    head = new[3].weight.clone()
    done = transfer(new, old.state_dict(), "old.pth", 3)
    assert torch.equal(new[0].weight, old[0].weight)
    assert torch.equal(new[3].weight, head)
    assert done.renewed == ("3.weight", "3.bias")
    assert str(done).startswith("7 tensors were loaded; 3.weight, 3.bias are newly initialised, as the number of")


def test_the_same_head_is_taken_over():
    old, new = make(3), make(3)
    assert transfer(new, old.state_dict(), "old.pth", 3).renewed == ()
    assert torch.equal(new[3].weight, old[3].weight)


def test_attention_that_the_weights_lack_is_new():
    old, new = make(3), make(3, attention=True)
    done = transfer(new, old.state_dict(), "old.pth", 3)
    assert done.added == ("gate",)
    assert torch.equal(new[0].weight, old[0].weight)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 9, 3)),
            r"0\.weight is 9x3x3x3 and must be 8x3x3x3; 0\.bias is 9 and must be 8; 1\.weight is missing",
        ),
        (nn.Sequential(nn.Linear(3, 3)), r"0\.weight is 3x3 and must be .*and \d+ more"),
        (make(3, attention=True), r"gate\.\S+ is not in the network"),
    ],
)
def test_the_weights_of_another_network(other, said):
    net = make(3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"old\.pth: these are the weights of another network; .*{said}"):
        transfer(net, other.state_dict(), "old.pth", 3)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_what_training_scripts_save_is_read(wrap, prefix, tmp_path):
    state = {f"{prefix}{name}": value for name, value in make(3).state_dict().items()}
    torch.save({wrap: state, "epoch": 3} if wrap else state, tmp_path / "old.pth")
    assert set(read_state(tmp_path / "old.pth")) == set(make(3).state_dict())


def test_safetensors_are_read(tmp_path):
    save_file(make(3).state_dict(), tmp_path / "old.safetensors")
    assert set(read_state(tmp_path / "old.safetensors")) == set(make(3).state_dict())


class Malicious:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_malicious_pickle_is_refused_and_never_executed(tmp_path):
    torch.save({"state_dict": make(3).state_dict(), "extra": Malicious(tmp_path / "executed")}, tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match="could execute any code, so it is refused"):
        read_state(tmp_path / "old.pth")
    assert not (tmp_path / "executed").exists()
    torch.load(tmp_path / "old.pth", weights_only=False)
    assert (tmp_path / "executed").exists(), "the pickle of this test does nothing, so the test shows nothing"


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
@pytest.mark.parametrize("name", ["old.pth", "old.safetensors"])
def test_damaged_files(name, share, tmp_path):
    path = tmp_path / name
    torch.save(make(3).state_dict(), path) if name == "old.pth" else save_file(make(3).state_dict(), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        read_state(path)


def test_files_that_hold_no_weights(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match="no weights by name"):
        read_state(tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        read_state(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.ones(2, device="meta"), "'gate' is a meta tensor"),
        (torch.ones(2).to_sparse(), "'gate' is a sparse tensor"),
        (torch.ones(2, dtype=torch.complex64), "'gate' is a complex tensor"),
    ],
)
def test_tensors_of_an_unusual_form_are_refused(tensor, said, tmp_path):
    torch.save({"weight": torch.ones(2), "gate": tensor}, tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match=rf"old\.pth: {said}.*save them as such"):
        read_state(tmp_path / "old.pth")


def test_tensors_without_names_are_refused(tmp_path):
    torch.save({"weight": torch.ones(2), 3: torch.ones(2)}, tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match="no weights by name"):
        read_state(tmp_path / "old.pth")


def test_a_length_like_a_pickle_is_no_pickle(tmp_path):
    path, given = tmp_path / "weights.safetensors", {"weight": torch.ones(2)}
    for length in range(0, 512, 4):
        save_file(given, path, metadata={"note": "x" * length})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert torch.equal(read_state(path)["weight"], given["weight"])
