"""Files keep graph and metadata; what they cannot hold is refused with the remedy."""

import json

import pytest
import torch
from torch import nn

from regard.core import DependencyError, ExportError, OptionError
from regard.recipes import exported_files
from regard.recipes.exportable import Exportable, capture
from regard.recipes.exported_files import Onnx, Pt2, as_text, format_of


@pytest.mark.graph
def test_pt2_keeps_graph_and_metadata(tmp_path):
    module, x = Exportable(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())), torch.randn(3, 2, 5, 4)
    Pt2().write(capture(module, x, free=True), tmp_path / "net.pt2", {"classes": ["é", "b"]})
    torch.testing.assert_close(Pt2().read(tmp_path / "net.pt2")(x), module(x))
    files = {"metadata.json": ""}
    torch.export.load(tmp_path / "net.pt2", extra_files=files)
    assert json.loads(files["metadata.json"]) == {"classes": ["é", "b"]}


class Suppress(nn.Module):
    """Uses an operator of torchvision, which PyTorch does not have."""

    def forward(self, x):
        return torch.ops.torchvision.nms(x[:, 0, 0, :4], x[:, 0, 1, 0], 0.5).float()[:, None] + 0 * x[:1, 0, 0, :1]


@pytest.mark.graph
def test_operators_of_other_packages_are_refused(tmp_path):
    import torchvision  # noqa: F401

    program = capture(Exportable(Suppress()), torch.rand(3, 1, 4, 4), free=False)
    with pytest.raises(ExportError, match=r"torchvision\.nms.*PyTorch alone does not have"):
        Pt2().write(program, tmp_path / "net.pt2", {})


def test_missing_packages_are_named_with_the_extra(monkeypatch):
    found = exported_files.find_spec
    monkeypatch.setattr(exported_files, "find_spec", lambda n: None if n.startswith("onnx") else found(n))
    with pytest.raises(DependencyError, match=r"onnx and onnxscript and onnxruntime, .* pip install 'regard\[onnx\]'"):
        format_of("onnx", None)
    monkeypatch.setattr(exported_files, "find_spec", lambda n: None if n == "onnxscript" else found(n))
    with pytest.raises(DependencyError, match="needs onnxscript, which is not installed"):
        format_of("onnx", None)
    assert isinstance(format_of("pt2", None), Pt2)


def test_opsets_have_a_range():
    assert format_of("onnx", None) == Onnx(18)
    for opset, said in ((17, "at least 18"), (9999, "opsets up to")):
        with pytest.raises(OptionError, match=said):
            format_of("onnx", opset)
    with pytest.raises(OptionError, match="has none"):
        format_of("pt2", 20)


def test_metadata_are_text_or_json():
    assert as_text("café") == "café"
    assert json.loads(as_text({"size": [2, 3], "n": None})) == {"size": [2, 3], "n": None}
    assert as_text(True) == "true"
