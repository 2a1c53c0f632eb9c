"""A checkpoint of another library becomes a weights file that every command reads; any other file is refused."""

import hashlib

import pytest
import timm
import torch
from safetensors.torch import save_file

from regard import models
from regard.cli.main import main
from regard.core import CheckpointError, OptionError, UnknownNameError
from regard.recipes.imported import import_weights
from regard.recipes.network import load_network
from regard.training import load_weights
from tests.models.test_van import theirs_of


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return timm.create_model("seresnet18", num_classes=4, in_chans=1).eval()


@pytest.fixture
def checkpoint(theirs, tmp_path):
    torch.save({"state_dict": {f"module.{n}": v for n, v in theirs.state_dict().items()}}, tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth"


OPTIONS = {"from_": "timm", "model": "resnet18", "attention": "se:min_hidden=8"}


def test_the_outputs_are_theirs_after_the_round_trip(theirs, checkpoint, tmp_path):
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\ndog\n")
    done = import_weights(checkpoint, classes=tmp_path / "classes.txt", out=tmp_path / "w.safetensors", **OPTIONS)
    loaded = load_network(done.path)
    x = torch.randn(2, 1, 65, 65)
    with torch.no_grad():
        torch.testing.assert_close(loaded.net(x), theirs(x), rtol=1e-4, atol=1e-5)
    assert loaded.classes == ("ant", "bee", "cat", "dog")
    assert loaded.preprocessing.size == (224, 224)
    created = models.create("resnet18", attention="se:min_hidden=8", num_classes=4, in_channels=1, weights=done.path)
    assert all(torch.equal(v, created.state_dict()[n]) for n, v in loaded.net.state_dict().items())


def test_small_images_are_taken_whole(tmp_path):
    provider = pytest.importorskip("pytorchcv.model_provider")
    torch.manual_seed(0)
    net = provider.get_model("seresnet20_cifar10").eval()
    torch.save(net.state_dict(), tmp_path / "theirs.pth")
    done = import_weights(
        tmp_path / "theirs.pth", from_="pytorchcv", model="se_resnet20", out=tmp_path / "w.safetensors"
    )
    loaded = load_network(done.path)
    assert (loaded.preprocessing.size, loaded.preprocessing.resize) == ((32, 32), "exact")
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded.net(x), net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_another_form_of_network_is_imported(tmp_path):
    net = models.create("van_b0", num_classes=3, in_channels=1, seed=0).eval()
    torch.save(theirs_of(net), tmp_path / "theirs.pth")
    done = import_weights(tmp_path / "theirs.pth", from_="official", model="van_b0", out=tmp_path / "w.safetensors")
    assert done.attention == 13
    loaded = load_network(done.path)
    assert all(torch.equal(v, loaded.net.state_dict()[n]) for n, v in net.state_dict().items())


def test_the_report_and_the_metadata_say_where_from(checkpoint, tmp_path):
    done = import_weights(checkpoint, out=tmp_path / "w.safetensors", **OPTIONS)
    assert f"all {done.tensors} tensors of resnet18 with se:min_hidden=8 with 4 classes were mapped" in str(done)
    assert "8 attention modules were read in timm's layout" in str(done)
    found = load_weights(done.path)[1]["imported"]
    assert found["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (found["library"], found["file"]) == ("timm", "theirs.pth")
    assert load_weights(done.path)[1]["run"]["task"]["classes"] == ["0", "1", "2", "3"]


def test_the_command_says_what_it_wrote(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--from", "timm", "--model", "resnet18", "--attention", "se:min_hidden=8"]
    assert main(["import-weights", str(checkpoint), *words]) == 0
    assert "weights: resnet18.safetensors" in capsys.readouterr().out
    assert (tmp_path / "resnet18.safetensors").is_file()


class Malicious:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def refused(path, said, **options):
    with pytest.raises(CheckpointError, match=said):
        import_weights(path, out=path.parent / "w.safetensors", **{**OPTIONS, **options})
    assert not (path.parent / "w.safetensors").exists()


def test_a_malicious_pickle_is_never_executed(theirs, tmp_path):
    torch.save({**theirs.state_dict(), "x": Malicious(tmp_path / "executed")}, tmp_path / "bad.pth")
    refused(tmp_path / "bad.pth", r"bad\.pth: the file contains more than tensors.*refused")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(checkpoint, share):
    checkpoint.write_bytes(checkpoint.read_bytes()[: int(share * checkpoint.stat().st_size)])
    refused(checkpoint, "cannot be read as weights")


def test_files_that_are_no_checkpoints(tmp_path):
    (tmp_path / "text.pth").write_text("no weights at all")
    refused(tmp_path / "text.pth", "cannot be read as weights")
    refused(tmp_path / "none.pth", "there is no such file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("layer3.0.bn2.bias"), r"no tensor for our layer3\.0\.bn2\.bias, of shape \(256,\)"),
        (lambda s: s.update({"aux.weight": torch.ones(2, 2)}), r"aux\.weight, of shape \(2, 2\), has no counterpart"),
        (
            lambda s: s.update({"layer1.0.conv1.weight": torch.ones(64, 64, 1, 1)}),
            r"layer1\.0\.conv1\.weight has shape \(64, 64, 1, 1\), and our",
        ),
        (lambda s: s.update({"bn1.bias": torch.full((64,), torch.nan)}), r"bn1\.bias has values that are not finite"),
        (lambda s: s.update({"bn1.bias": torch.ones(64).int()}), r"bn1\.bias has dtype torch\.int32"),
    ],
)
def test_tensors_that_do_not_fit_are_named(theirs, tmp_path, change, said):
    state = dict(theirs.state_dict())
    change(state)
    save_file(state, tmp_path / "theirs.safetensors")
    refused(tmp_path / "theirs.safetensors", rf"theirs\.safetensors: .*{said}")


def test_another_networks_checkpoint_is_refused(tmp_path):
    save_file(timm.create_model("mobilenetv3_small_050").state_dict(), tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", r"other\.safetensors: .*from timm.*no tensor for our layer1\.0\.attention")


def test_options_that_cannot_be_used(checkpoint, tmp_path):
    (tmp_path / "classes.txt").write_text("ant\nbee\nbee\n")
    for options, said in (
        ({"classes": tmp_path / "classes.txt"}, "has 3 names, 2 different ones.*4 classes"),
        ({"classes": tmp_path / "none.txt"}, "cannot be read as text"),
        ({"out": tmp_path / "w.pth"}, "ends in .safetensors"),
        ({"model": "resnet19"}, "no network named 'resnet19'"),
        ({"size": 0}, "size=0"),
    ):
        with pytest.raises((OptionError, UnknownNameError), match=said):
            import_weights(checkpoint, **{"out": tmp_path / "w.safetensors", **OPTIONS, **options})
    refused(checkpoint, "no other library.s weights are known for this network", model="cnn", attention=None)


def test_a_wrong_name_is_told_first(tmp_path):
    with pytest.raises(LookupError, match="se_resnet50"):
        import_weights(tmp_path / "none.pth", from_="timm", model="se_resnet5")
