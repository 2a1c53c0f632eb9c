import pytest

from regard.core import DataError
from regard.data.caption_table import find_table, read_captions


def lines(folder, text, name="captions.tsv", longest=20):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_captions(path, longest))


def test_lines_are_read_with_their_numbers(tmp_path):
    one, two = lines(tmp_path, '\ufefffile\tcaption\tsplit\r\na.jpg\t a "b"  c \tvalidation\r\n\r\nb.jpg\td\ttrain\r\n')
    assert (one.number, one.file, one.text, one.split, one.reason) == (2, "a.jpg", 'a "b" c', "val", "")
    assert (two.number, two.split) == (4, "train")


def test_commas_stand_in_quotation_marks(tmp_path):
    (line,) = lines(tmp_path, 'caption,file\n"a, b",x.png\n', "captions.csv")
    assert (line.file, line.text, line.split) == ("x.png", "a, b", None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.jpg\t ", "an empty caption"),
        (b"\tword", "no file"),
        (b"a.jpg\t" + b"x" * 21, "a caption of more than 20 characters"),
        (b"a.jpg\t\xff", "the caption is not UTF-8"),
        (b"a.jpg", "1 column instead of 2"),
    ],
)
def test_each_bad_line_has_its_reason(tmp_path, line, reason):
    (found,) = lines(tmp_path, b"file\tcaption\n" + line + b"\n")
    assert found.reason == reason


def test_an_unknown_split_is_a_reason(tmp_path):
    (found,) = lines(tmp_path, "file\tcaption\tsplit\na.jpg\tb\tdev2\n")
    assert "the split 'dev2'" in found.reason


def test_a_table_must_name_its_columns(tmp_path):
    with pytest.raises(DataError, match="must be file, caption"):
        lines(tmp_path, "image\ttext\n")
    with pytest.raises(DataError, match="names the columns nothing"):
        lines(tmp_path, "")
    with pytest.raises(DataError, match="UTF-16"):
        lines(tmp_path, "file\tcaption\n".encode("utf-16"))


def test_a_folder_has_one_table(tmp_path):
    with pytest.raises(DataError, match=r"no captions\.tsv"):
        find_table(tmp_path)
    for name in ("captions.tsv", "captions.csv"):
        (tmp_path / name).write_text("")
    with pytest.raises(DataError, match="both"):
        find_table(tmp_path)
