import json

import numpy as np
import pytest

from regard.core import RunError
from regard.recipes.explain import explain_images
from regard.recipes.train import train
from tests.recipes.captions import MODEL, QUICK, write_captions
from tests.recipes.test_captioning import data, folder  # noqa: F401


def test_each_symbol_has_a_map(folder, tmp_path):  # noqa: F811
    write_captions(tmp_path / "new", 1)
    found = explain_images([str(tmp_path / "new")], run=str(folder), out=str(tmp_path / "out"), device="cpu")
    (one,) = found.explanations
    (maps,) = one.maps
    assert maps.target[-1] == "⊣"
    assert maps.weights.shape == (len(maps.target), 4, 8)
    np.testing.assert_allclose(maps.weights.sum((1, 2)), 1, rtol=1e-5)
    manifest = json.loads((found.folders[0] / "manifest.json").read_text())
    assert manifest["answer"] == one.answer
    assert all((found.folders[0] / file).exists() for file in manifest["files"])


def test_no_attention_shows_nothing(data, tmp_path):  # noqa: F811
    train(data=data, model=MODEL, out=str(tmp_path / "run"), recipe=QUICK, device="cpu", workers=0)
    with pytest.raises(RunError, match="decoder has no attention"):
        explain_images([data.removeprefix("captions:")], run=str(tmp_path / "run"), device="cpu")
