"""The benchmark of trained gates: networks read from ONNX files, rendered text, gates given to other images."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import regard
from benchmarks.pretrained import measuring, table
from benchmarks.pretrained.__main__ import main
from benchmarks.pretrained.equality import largest_differences
from benchmarks.pretrained.graph import read_graph
from benchmarks.pretrained.network import read_network
from benchmarks.pretrained.rendering import LINES, PAGES, PLAIN_LINES, license_words
from regard.core.errors import CheckpointError, RunError
from regard.core.tap import taps

SE = ("se1", "se2", "se3")


class Writer:
    """An ONNX graph under construction, with random weights; `constants="nodes"` keeps them as Constant nodes."""

    def __init__(self, constants="initializers", opset=15):
        self.random, self.nodes, self.initializers = np.random.default_rng(0), [], []
        self.constants, self.opset = constants, opset

    def constant(self, values):
        name = f"constant{len(self.nodes) + len(self.initializers)}"
        tensor = numpy_helper.from_array(np.asarray(values), name)
        if self.constants == "nodes":
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        return name

    def weights(self, *shape):
        return self.constant(0.3 * self.random.normal(size=shape).astype(np.float32))

    def add(self, kind, *inputs, **options):
        output = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    def conv(self, x, channels, inputs, kernel=1, biased=True, **options):
        options = {"kernel_shape": [kernel, kernel], "pads": [kernel // 2] * 4, **options}
        y = self.add("Conv", x, self.weights(channels, inputs, kernel, kernel), **options)
        if not biased:
            return y
        bias = self.add("Reshape", self.weights(channels), self.constant(np.array([1, channels, 1, 1])))
        return self.add("Add", y, bias)

    def norm(self, x, channels):
        variance = self.constant(self.random.uniform(0.5, 2, channels).astype(np.float32))
        rest = [self.weights(channels) for _ in range(3)]
        return self.add("BatchNormalization", x, *rest, variance, epsilon=1e-3)

    def gate(self, x, channels, squash, **options):
        y = self.add("Relu", self.conv(self.add("GlobalAveragePool", x), channels // 2, channels))
        return self.add("Mul", x, self.add(squash, self.conv(y, channels, channels // 2), **options))

    def flatten(self, x, channels):
        starts, ends, axes = (self.constant(np.array([n])) for n in (0, 1, 0))
        batch = self.add("Slice", self.add("Cast", self.add("Shape", x), to=TensorProto.INT64), starts, ends, axes)
        return self.add("Reshape", x, self.add("Concat", batch, self.constant(np.array([channels])), axis=0))

    def write(self, path, output, classes=2):
        images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
        scores = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", classes])
        graph = helper.make_graph(self.nodes, "small", [images], [scores], self.initializers)
        opset = [helper.make_opsetid("", self.opset)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path


def write_small(path, constants="initializers"):
    """A network with every operator that is known, and three forms of squeeze-and-excitation."""
    w = Writer(constants)
    x = w.norm(w.conv("x", 8, 3, 3, biased=False, strides=[2, 2]), 8)
    three, six = (w.constant(np.float32(n)) for n in (3, 6))
    inner = w.add("Clip", w.add("Add", x, three), w.constant(np.float32(0)), six)
    x = w.add("Div", w.add("Mul", x, inner), six)
    x = w.add("Add", x, w.gate(x, 8, "HardSigmoid", alpha=0.2, beta=0.5))
    x = w.add("HardSwish", w.conv(x, 8, 1, 3, biased=False, group=8))
    x = w.add("Identity", w.gate(x, 8, "HardSigmoid", alpha=1 / 6, beta=0.4))
    x = w.gate(w.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 8, "Sigmoid")
    x = w.flatten(w.add("GlobalAveragePool", x), 8)
    x = w.add("Add", w.add("MatMul", x, w.weights(8, 2)), w.weights(2))
    return w.write(path, w.add("Softmax", x, axis=1))


@pytest.fixture
def path(tmp_path):
    return write_small(tmp_path / "small.onnx")


@pytest.mark.parametrize("constants", ["initializers", "nodes"])
def test_a_network_computes_what_onnxruntime_does(constants, tmp_path):
    path = write_small(tmp_path / "small.onnx", constants)
    net = read_network(path, "Small")
    assert list(taps(net)) == [f"{name}.gate" for name in SE]
    assert [name for name, module in net.named_modules() if isinstance(module, regard.find("se"))] == [
        "se1",
        "se2",
        "se3",
    ]
    assert not net.training
    for size in ((20, 31), (9, 12)):
        found = largest_differences(path, net, torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(1)))
        assert found["logits"] < 2e-6 * max(1, found["largest_logit"])
        assert found["gates"] < 1e-6
    with regard.observe(net) as maps:
        net(torch.randn(3, 3, 9, 12))
    assert all(0.05 < float(maps.one(name).values.mean()) < 0.95 for name in maps), "else slopes are not tried"


def test_other_weights_are_seen_as_another_function(path):
    net = read_network(path)
    with torch.no_grad():
        net.se2.expand.bias += 0.3
    assert largest_differences(path, net, torch.randn(2, 3, 16, 16))["gates"] > 1e-3


def test_an_addition_that_is_no_bias_stays(tmp_path):
    w = Writer()
    x = w.add("Add", w.conv("x", 4, 3, biased=False), w.weights(4, 1, 5))
    logits = w.add("MatMul", w.flatten(w.add("GlobalAveragePool", x), 4), w.weights(4, 2))
    path = w.write(tmp_path / "a.onnx", logits)
    assert [node.kind for node in read_graph(path).nodes].count("Add") == 1
    assert largest_differences(path, read_network(path), torch.randn(2, 3, 1, 5))["logits"] < 1e-5


def test_what_is_not_known_is_named(tmp_path):
    def fails(match, opset=15, **nodes):
        w = Writer(opset=opset)
        for kind, options in nodes.items():
            x = w.conv("x", 4, 3, 3, **options) if kind == "Conv" else w.add(kind, "x", **options)
        with pytest.raises(CheckpointError, match=match):
            read_network(w.write(tmp_path / "a.onnx", x))

    fails("has the operator 'Erf', which is not known here; known are Add, ", Erf={})
    fails("the Sigmoid that makes 'Sigmoid0' is no gate of a squeeze-and-excitation", Sigmoid={})
    fails(r"Conv: padding \(1, 1, 0, 0\) .* equal on both sides", Conv={"pads": [1, 1, 0, 0]})
    fails("has an operator set before 11", opset=10, Relu={})
    (tmp_path / "b.onnx").write_bytes(b"no graph at all")
    with pytest.raises(CheckpointError, match=r"b.onnx is no ONNX file that can be read"):
        read_network(tmp_path / "b.onnx")


@pytest.mark.parametrize("task", [LINES, PAGES], ids=lambda task: task.name)
def test_rendered_text_is_a_function_of_its_index(task):
    (image, label), again = task.draw(1, "val", 0), task.draw(1, "val", 0)
    assert (again[0].tobytes(), again[1]) == (image.tobytes(), label)
    assert task.draw(1, "train", 0)[0].tobytes() != image.tobytes()
    batch = task.batches(2, "val")[0]
    assert batch.labels[1] == label
    assert set(batch.labels.tolist()) <= set(range(len(task.classes)))
    assert tuple(batch.images.shape[2:]) == ((48, 192) if task.name == "lines" else (224, 224))


def test_orientations_are_about_equally_frequent():
    labels = torch.cat([batch.labels for batch in LINES.batches(40, "train")])
    assert 10 <= int(labels.sum()) <= 30
    assert len(license_words()) > 1000


def test_gates_of_images_are_replaced_and_judged(path):
    net, batches = read_network(path), LINES.batches(12, "val", size=5)
    labels = torch.cat([batch.labels for batch in batches])
    own, answers = measuring.record_gates(net, batches)
    right = (answers == labels).double()
    assert measuring.judge(net, batches, own, right)["drop"]["points"] == 0
    same, other = measuring.choose_donors(labels).values()
    assert (labels[same] == labels).all()
    assert (labels[other] != labels).all()
    assert (same != torch.arange(12)).all()
    constant = measuring.constant_gates({"se1.gate": torch.rand(1, 8, 1, 1)})
    assert {mode: gates["se1.gate"].unique().numel() for mode, gates in constant.items()} == {
        "mean permuted": 8,
        "one number": 1,
    }


def test_colours_explain_what_follows_them():
    images = torch.rand(50, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = measuring.colours(images)
    assert found.shape == (50, 6)
    assert measuring.explained_share(found[:, :2] @ torch.rand(2, 5).double(), found) == pytest.approx(1)
    assert measuring.explained_share(torch.randn(50, 2).double(), found[:, :1]) < 0.5


def test_plain_lines_have_the_same_text():
    plain, label = PLAIN_LINES.draw(0, "val", 0)
    image, other = LINES.draw(0, "val", 0)
    assert (plain.size, label) == (image.size, other)
    assert plain.getextrema() == ((0, 255),) * 3


def test_a_small_network_is_measured(path):
    evaluation, training = (LINES.batches(8, split) for split in ("val", "train"))
    record = measuring.measure(
        read_network(path), LINES, evaluation, training, draws=1, widths=LINES.widths(8, "val")
    ).record
    assert sum(map(sum, record["confusion"])) == 8
    assert sum(one["images"] for one in record["widths"]) == 8
    found = {mode: table.find_mode(record, mode) for mode in table.MODES}
    assert found["trained"]["drop"] is None
    assert all(0 <= one["accuracy"] <= 1 for one in found.values())
    assert [layer["path"] for layer in record["layers"]] == [f"{name}.gate" for name in SE]
    text = table.table({"lines": record | {"images": 8}})
    assert text.count("not run") == len(table.MODES)
    assert text.count("| lines, `se3` |") == 2
    assert "With the gates of an image of another class, " in text
    assert "| under 4 | " in text or "| 4 to 6 | " in text


def test_the_docs_hold_the_tables_of_gates(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(table.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    table.write_table(page)
    assert page.read_text(encoding="utf-8") == table.PAGE.read_text(encoding="utf-8")
    page.write_text("")
    with pytest.raises(RunError, match="has no room for the table"):
        table.write_table(page)


def test_the_command_needs_a_network(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "name a network's file with --lines or --pages" in capsys.readouterr().err
