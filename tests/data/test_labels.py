"""Pictures with several classes, named by a table."""

import pytest

from regard.core.errors import DataError, OptionError
from regard.data import open_source


@pytest.fixture
def table(plant, tmp_path):
    root = plant("", 40)

    def opened(text, **options):
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return open_source(f"folder:{root}", labels=path, **options)

    return opened


def rows(count, line="{i:03d}.png,{a},{b}"):
    return "\n".join(
        line.format(i=i, a=i % 2, b=int(i % 3 == 0), split="test" if i % 5 == 0 else "train") for i in range(count)
    )


def test_classes_are_columns(table):
    source = table("file,cat,dog\n" + rows(40))
    assert source.multi_label
    assert source.classes == ("cat", "dog")
    assert sum(len(p) for p in source.splits.values()) == 40
    for pictures in source.splits.values():
        for i in range(len(pictures)):
            number = int(pictures.names(i)[:3])
            assert pictures.labels[i].tolist() == [number % 2, number % 3 == 0]
    assert source.warnings == ()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(table, delimiter):
    text = "file,cat,dog\n" + rows(40)
    assert table("\ufeff" + text.replace(",", delimiter)).fingerprint == table(text).fingerprint


def test_splits_of_its_own(table):
    source = table("file,split,cat,dog\n" + rows(40, "{i:03d}.png,{split},{a},{b}"))
    assert len(source.splits["test"]) == 8
    assert all(int(source.splits["test"].names(i)[:3]) % 5 == 0 for i in range(8))
    assert len(source.splits["val"]) > 0


def test_pictures_that_it_does_not_name_and_files_that_are_not_there(table):
    source = table("file,cat,dog\n" + rows(30) + "\nabsent.png,1,1")
    assert source.skipped[0].reason == "there is no such file"
    assert any("10 pictures below" in said for said in source.warnings)


REFUSED = {
    "": "first line",
    "cat,dog\n1,0": "first line",
    "file,cat,cat\n000.png,1,0": "each once",
    "file,cat,dog": "names no file",
    "file,cat\n000.png,1": "one class only",
    "file,cat,dog\n000.png,1": "line 2 has 2 columns, but the first line names 3",
    "file,cat,dog\n000.png,1,0\n001.png,yes,0": "line 3: the column 'cat' has 'yes'",
    "file,cat,dog\n000.png,1,0\n000.png,0,1": "line 3 names the file '000.png'",
    "file,split,cat,dog\n000.png,training,1,0": "the split is 'training'",
    "file,split,cat,dog\n000.png,test,1,0": "no picture into the split train",
    "file,cat,dog\n" + rows(38).replace(",1\n", ",0\n"): "no usable training picture has the class 'dog'",
}


@pytest.mark.parametrize("text", REFUSED, ids=REFUSED.values())
def test_refused(table, text):
    with pytest.raises(DataError, match=REFUSED[text]):
        table(text)


def test_a_table_that_is_not_there_or_does_not_belong(plant, tmp_path):
    root = plant("", 2)
    with pytest.raises(DataError, match="There is no table of labels"):
        open_source(f"folder:{root}", labels=tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("file,K\xe4fer\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        open_source(f"folder:{root}", labels=tmp_path / "latin.csv")
    with pytest.raises(OptionError, match="goes with folder:PATH only"):
        open_source("fashion-mini", labels=tmp_path / "absent.csv")
