import json

from regard.recipes.show_data import show_data
from tests.recipes.captions import write_captions


def test_a_source_is_described(tmp_path):
    data = write_captions(tmp_path / "images")
    found = show_data(source=data, out=tmp_path / "out")
    assert sum(found.images.values()) == 30
    assert sum(found.texts.values()) == 36
    assert (found.symbols, found.lengths[0], found.lengths[2], found.size) == (8, 2, 4, (8, 16))
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["account"]["found"] == 36
