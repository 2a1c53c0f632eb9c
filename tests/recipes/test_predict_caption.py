import pytest

from regard.core import DataError
from regard.recipes.predict import predict
from tests.recipes.captions import write_captions
from tests.recipes.test_captioning import data, folder  # noqa: F401


def test_images_get_texts(folder, tmp_path):  # noqa: F811
    write_captions(tmp_path / "new", 3)
    (tmp_path / "new" / "bad.png").write_bytes(b"no image")
    out = tmp_path / "texts.tsv"
    found = predict([str(tmp_path / "new")], run=str(folder), beams=2, out=str(out), device="cpu")
    assert [one.image.name for one in found.texts] == ["00.png", "01.png", "02.png"]
    assert all(0 < one.score <= 1 for one in found.texts)
    assert len(found.account.bad) == 1
    assert out.read_text().splitlines()[0] == "image\ttext\tscore"


def test_no_image_is_an_error(folder, tmp_path):  # noqa: F811
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad\.png"):
        predict([str(tmp_path / "bad.png")], run=str(folder), device="cpu")
