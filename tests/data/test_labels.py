"""Images with several classes, named by a table."""

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
    for images in source.splits.values():
        for i in range(len(images)):
            number = int(images.names(i)[:3])
            assert images.labels[i].tolist() == [number % 2, number % 3 == 0]
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


def test_unnamed_images_and_missing_files(table):
    source = table("file,cat,dog\n" + rows(30) + "\nabsent.png,1,1")
    assert source.account.bad[0].reason == "there is no such file"
    assert any("10 images below" in said for said in source.warnings)


REFUSED = {
    "": "first line",
    "cat,dog\n1,0": "first line",
    "file,cat,cat\n000.png,1,0": "each once",
    "file,cat,dog": "names no file",
    "file,cat\n000.png,1": "one class only",
    "file,cat,dog\n000.png,1": "line 2 has 2 columns, but the first line names 3",
    "file,cat,dog\n000.png,1,0\n001.png,maybe,0": "line 3: the column 'cat' has 'maybe'",
    "file,cat,dog\n000.png,1,0\n000.png,0,1": "line 3 names the file '000.png'",
    "file,split,cat,dog\n000.png,holdout,1,0": "the split is 'holdout'",
    "file,split,cat,dog\n000.png,test,1,0": "no image into the split train",
    "file,cat,dog\n" + rows(38).replace(",1\n", ",0\n"): "no usable training image has the class 'dog'",
}


@pytest.mark.parametrize("text", REFUSED, ids=REFUSED.values())
def test_refused(table, text):
    with pytest.raises(DataError, match=REFUSED[text]):
        table(text)


def test_missing_or_misplaced_table_is_an_error(plant, tmp_path):
    root = plant("", 2)
    with pytest.raises(DataError, match="There is no table of labels"):
        open_source(f"folder:{root}", labels=tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("file,K\xe4fer\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        open_source(f"folder:{root}", labels=tmp_path / "latin.csv")
    with pytest.raises(OptionError, match="goes with folder:PATH only"):
        open_source("fashion-mini", labels=tmp_path / "absent.csv")


@pytest.mark.parametrize(("one", "zero"), [("1.0", "0.0"), ("True", "False"), ("1", ""), ("yes", "no")])
def test_one_and_zero_written_otherwise(table, one, zero):
    text = "file,cat,dog\n" + "\n".join(
        f"{i:03d}.png,{one if i % 2 else zero},{one if i % 3 == 0 else zero}" for i in range(40)
    )
    source = table(text)
    assert source.fingerprint == table("file,cat,dog\n" + rows(40)).fingerprint
    assert any("empty cells of the table count as 0" in said for said in source.notes) == (not zero)


NAMES = {
    "a prefix": (lambda i: f"data/set/{i:03d}.png", "by the end of its path"),
    "no extension": (lambda i: f"{i:03d}", "without an extension"),
    "backslashes": (lambda i: f"set\\{i:03d}.png", "by the end of its path"),
    "another case": (lambda i: f"{i:03d}.PNG", "in another case"),
    "a leading dot": (lambda i: f"./{i:03d}.png", None),
}


@pytest.mark.parametrize("what", NAMES)
def test_files_are_found_as_they_are_named(table, what):
    name, way = NAMES[what]
    text = "file,cat,dog\n" + "\n".join(f"{name(i)},{i % 2},{int(i % 3 == 0)}" for i in range(40))
    source = table(text)
    assert source.fingerprint == table("file,cat,dog\n" + rows(40)).fingerprint
    assert source.warnings == source.account.bad == ()
    assert [said for said in source.notes if "of the table" in said] == (
        [f"40 names of the table were found {way}{' or Unicode normal form' * ('case' in what)}."] if way else []
    )


def test_absolute_paths_are_no_cause_of_warning(plant, tmp_path):
    root = plant("", 40)
    path = tmp_path / "labels.csv"
    path.write_text("file,cat,dog\n" + "\n".join(f"{root}/{i:03d}.png,{i % 2},{int(i % 3 == 0)}" for i in range(40)))
    source = open_source(f"folder:{root}", labels=path)
    assert source.warnings == ()
    assert source.account.complete


def test_ambiguous_files_in_subfolders_are_not_matched(plant, tmp_path):
    root = plant("left", 20)
    plant("right", 30)
    path = tmp_path / "labels.csv"
    path.write_text("file,cat,dog\n" + rows(30))
    source = open_source(f"folder:{root}", labels=path)
    assert len(source.account.bad) == 20
    assert {bad.reason for bad in source.account.bad} == {"there is no such file"}
    assert source.account.found == 20 + 50


def test_one_file_under_two_names_is_refused(table):
    with pytest.raises(DataError, match=r"names the file 001\.png more than once, as 001\.png and 001"):
        table("file,cat,dog\n" + rows(40) + "\n001,1,0")


def test_a_column_of_groups_is_not_parted(table):
    text = "file,patient,cat,dog\n" + rows(40).replace(".png,", ".png,P,")
    text = "\n".join(line.replace(",P,", f",p{n // 4},") for n, line in enumerate(text.split("\n")))
    with pytest.raises(DataError, match="given by --groups patient"):
        table(text)
    source = table(text, groups="patient")
    assert source.classes == ("cat", "dog")
    groups = [set(images.groups) for images in source.splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 11
    with pytest.raises(DataError, match=r"no column 'doctor' for --groups; its columns are: file, patient"):
        table(text, groups="doctor")


def test_the_account_adds_up(table):
    account = table("file,cat,dog\n" + rows(30) + "\nabsent.png,1,1").account
    assert (account.found, sum(account.used.values()), len(account.bad)) == (41, 30, 1)
    assert len(account.reasons()["left out, the table does not name it"]) == 10
