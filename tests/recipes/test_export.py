"""A run becomes a file that other programs read, with the run's logits, or no file at all."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from regard import models
from regard.cli.main import main
from regard.core import ExportError, OptionError, RunError
from regard.core.run_record import InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.core.seeding import use_seed
from regard.data import Preprocessing
from regard.recipes.export import export
from regard.recipes.insertion import is_inserted, plan_attention
from regard.recipes.network import build_network, load_network
from regard.training import save_weights
from tests.recipes.conftest import BARS, bars
from tests.recipes.records import metadata_of

GREY = Preprocessing(size=(12, 12), channels=1, mean=(0.3,), std=(0.2,))

ALONE = """
import sys
for name in ("regard", "torch")[: int(sys.argv[1])]:
    sys.modules[name] = None
import json, numpy as np
images = np.load(sys.argv[3])
"""

ONNX_ALONE = """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[2])
about = session.get_modelmeta().custom_metadata_map
print(json.dumps([session.run(["logits"], {"images": images})[0].tolist(), json.loads(about["classes"])]))
"""

PT2_ALONE = """
import torch
files = {"metadata.json": ""}
network = torch.export.load(sys.argv[2], extra_files=files).module()
about = json.loads(files["metadata.json"])
mean, std = (np.array(about[name], np.float32)[:, None, None] for name in ("mean", "std"))
logits = network(torch.from_numpy((images / np.float32(255) - mean) / std))
print(json.dumps([logits.tolist(), about["classes"]]))
"""


OWN = "tests.recipes.own_networks"


def write_run(folder, name, preprocessing=GREY, *, data=None, **options):
    """Writes the weights of an untrained network, with its statistics stirred; returns the file."""
    record = metadata_of(name, BARS, preprocessing, data=data, **options)
    network = NetworkRecord(name=name, options=options)
    run = RunRecord.from_json(record["run"], "test")
    if is_inserted(network):
        plain = models.create(name, num_classes=3, in_channels=preprocessing.channels, seed=0)
        run = plan_attention(run, plain, preprocessing, start="paper", seed=0)
    with use_seed(0):
        net = build_network(run, preprocessing, seed=0)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    save_weights(folder / "weights.safetensors", net, {"run": run.to_json(), "seed": 0})
    return folder / "weights.safetensors"


@pytest.fixture(scope="module")
def run(bar_source, tmp_path_factory):
    """The weights of a small network with inserted attention, whose record names the bars."""
    folder = tmp_path_factory.mktemp("run")
    return write_run(folder, f"{OWN}:pooling", data={"name": bar_source}, attention="se")


@pytest.fixture(scope="module")
def exported(run):
    """Its ONNX file for uint8 images."""
    return export(str(run), to="onnx", preprocessing=True, threads=1)


def run_alone(program, path, without, pixels, folder):
    """Runs a program in a process that cannot import some packages; returns its logits and classes."""
    np.save(folder / "images.npy", pixels.numpy())
    words = [str(without), str(path), str(folder / "images.npy")]
    done = subprocess.run([sys.executable, "-c", ALONE + program, *words], capture_output=True, text=True, check=True)
    logits, classes = json.loads(done.stdout)
    return torch.tensor(logits), classes


def expect_logits(run, pixels, logits):
    loaded = load_network(run)
    with torch.no_grad():
        want = loaded.net(loaded.preprocessing.eval()(pixels))
    torch.testing.assert_close(logits, want, rtol=1e-4, atol=1e-4)


@pytest.mark.graph
@pytest.mark.e2e
def test_onnxruntime_alone_gets_the_logits(exported, run, tmp_path):
    pixels = torch.from_numpy(bars(5, 7)[0])[:, None]
    logits, classes = run_alone(ONNX_ALONE, exported.path, 2, pixels, tmp_path)
    expect_logits(run, pixels, logits)
    assert classes == list(BARS)


@pytest.mark.graph
def test_the_report_names_input_check_and_difference(exported, run):
    assert exported.free
    assert exported.difference < 1e-5
    assert exported.path == run.with_suffix(".onnx")
    text = str(exported)
    assert "images (batch, 1, height, width), uint8, 0 to 255; batch and size are free, trained at 12 x 12" in text
    assert "bars.npz of 1 x 12 x 12, 4 x 12 x 12, 2 x 17 x 18 (batch x height x width)" in text


@pytest.mark.graph
def test_an_onnx_file_is_valid_and_anonymous(exported, run):
    content = exported.path.read_bytes()
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    (given,) = model.graph.input
    axes = [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim]
    assert (given.name, given.type.tensor_type.elem_type) == ("images", onnx.TensorProto.UINT8)
    assert axes == ["batch", 1, "height", "width"]
    assert model.opset_import[0].version == 18
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["run"] == f"{run.parent.name}/weights.safetensors"
    assert str(run.parent).encode() not in content
    assert b".py" not in content


@pytest.mark.graph
def test_the_command_writes_beside_the_weights(tmp_path, capsys):
    path = write_run(tmp_path, f"{OWN}:pooling")
    assert main(["export", str(path), "--to", "pt2", "--threads", "1"]) == 0
    said = capsys.readouterr()
    assert f"{tmp_path / 'weights.pt2'} (0.0 MB)" in said.out
    assert "images of fashion-mini" in said.out
    (tmp_path / "weights.pt2").write_bytes(b"older")
    assert main(["export", str(path), "--to", "pt2", "--threads", "1", "--preprocessing"]) == 0
    assert (tmp_path / "weights.pt2").stat().st_size > 5


@pytest.mark.graph
def test_a_file_with_other_logits_is_not_left(tmp_path):
    path = write_run(tmp_path, f"{OWN}:other_in_export")
    (tmp_path / "weights.pt2").write_bytes(b"older")
    with pytest.raises(ExportError, match=r"at 1 x 12 x 12 the file's logits differ .* by 1\.0e-02 .*1e-04 is allowed"):
        export(str(path), to="pt2", threads=1)
    assert (tmp_path / "weights.pt2").read_bytes() == b"older"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["weights.pt2", "weights.safetensors"]
    assert export(str(path), to="pt2", tolerance=0.02, threads=1).difference == pytest.approx(0.01, rel=1e-3)


@pytest.mark.graph
@pytest.mark.parametrize(
    ("network", "said"), [("one_size", "it takes 12 x 12 pixels, not 17 x 18"), ("other_at_sizes", "Guard failed")]
)
def test_a_network_with_fixed_size_says_so(tmp_path, network, said):
    done = export(str(write_run(tmp_path, f"{OWN}:{network}")), to="pt2", threads=1)
    assert not done.free
    assert len(done.compared) == 2
    assert "images (batch, 1, 12, 12), float32, normalised; batch is free, the size is fixed" in str(done)
    assert "other sizes are not possible: " in str(done)
    assert said in str(done.fixed_because)


@pytest.mark.graph
def test_a_network_that_fixes_batches_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"one_batch: torch\.export cannot .*len\(x\) does not\)\. No file"):
        export(str(write_run(tmp_path, f"{OWN}:one_batch")), to="pt2", threads=1)


@pytest.mark.parametrize(
    ("kind", "task", "said"),
    [
        ("text", "sequences", "takes texts"),
        ("clip", "classification", "takes clips"),
        ("sound", "classification", "takes sounds"),
        ("image", "sequences", "writes about images"),
    ],
)
def test_runs_of_other_kinds_are_refused(tmp_path, kind, task, said):
    record = RunRecord(
        network=NetworkRecord(name="any"), input=InputRecord(kind=kind), task=TaskRecord(name=task, classes=("a", "b"))
    )
    save_weights(tmp_path / "w.safetensors", {"x": torch.zeros(1)}, {"run": record.to_json()})
    with pytest.raises(RunError, match=rf"{said}; only networks that classify images .* `regard predict --run"):
        export(str(tmp_path / "w.safetensors"), to="onnx")


def test_options_that_cannot_be_used(tmp_path):
    run = str(write_run(tmp_path, f"{OWN}:pooling"))
    for options, said in (
        ({"to": "tflite"}, "to='tflite'"),
        ({"to": "pt2", "out": tmp_path / "net.onnx"}, r"its name ends in \.pt2"),
        ({"to": "pt2", "opset": 18}, "has none"),
        ({"to": "pt2", "tolerance": 0.0}, "tolerance=0.0"),
    ):
        with pytest.raises(OptionError, match=said):
            export(run, **options)


PHOTOS = Preprocessing(size=(48, 40), channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3), resize="crop")
LARGE = Preprocessing(size=(224, 224), channels=3, mean=(0.5,) * 3, std=(0.2,) * 3, resize="pad")
MATRIX = (
    ("se_resnet20", {}, PHOTOS, True),
    ("resnet18", {"attention": "cbam"}, PHOTOS, True),
    ("sknet26", {}, PHOTOS, True),
    ("resnest50", {}, PHOTOS, True),
    ("cnn", {"attention": "stn"}, GREY, True),
    ("ram:glimpses=3,patch=6", {}, GREY, True),
    ("resnet8", {"attention": "hard_spatial:positions=2"}, GREY, True),
    ("resnet8", {"attention": "hard_channel"}, GREY, True),
    ("resnet8", {"attention": "se", "patch": 16, "patch_stride": 8}, PHOTOS, True),
    ("timm:seresnet18", {}, PHOTOS, True),
    ("timm:resnet18", {"attention": "cbam"}, PHOTOS, True),
    ("torchvision:mobilenet_v3_small", {}, PHOTOS, True),
    ("timm:vit_tiny_patch16_224", {}, LARGE, False),
)
"""Networks that a training leaves: name, options, preprocessing, and whether their sizes are free."""


@pytest.mark.long
@pytest.mark.graph
@pytest.mark.e2e
def test_torch_alone_gets_the_logits(trained, tmp_path):
    done = export(str(trained.path), to="pt2", out=tmp_path / "net.pt2", threads=1)
    pixels = torch.from_numpy(bars(5, 7)[0])[:, None]
    logits, classes = run_alone(PT2_ALONE, done.path, 1, pixels, tmp_path)
    expect_logits(trained.path, pixels, logits)
    assert classes == list(BARS)
    assert b".py" not in done.path.read_bytes()


@pytest.mark.long
@pytest.mark.graph
@pytest.mark.parametrize("preprocessing", [False, True])
@pytest.mark.parametrize("to", ["onnx", "pt2"])
@pytest.mark.parametrize(("name", "options", "known", "free"), MATRIX, ids=lambda v: v if isinstance(v, str) else "")
def test_every_kind_of_network_goes_out(tmp_path, name, options, known, free, to, preprocessing):
    path = write_run(tmp_path, name, known, **options)
    done = export(str(path), to=to, preprocessing=preprocessing, threads=1)
    assert done.free == free
    assert done.difference < 1e-5


@pytest.mark.long
@pytest.mark.graph
def test_a_size_that_onnx_freezes_is_fixed(tmp_path):
    path = write_run(tmp_path, "torchvision:alexnet", Preprocessing((128, 128), 3, (0.5,) * 3, (0.2,) * 3))
    assert export(str(path), to="pt2", threads=1).free
    done = export(str(path), to="onnx", threads=1)
    assert not done.free
    assert "2 x 171 x 192 the file's logits differ" in str(done.fixed_because)
