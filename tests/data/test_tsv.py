"""Whatever a file holds becomes pairs, an entry of the account, or an error with file and line."""

import pytest

from regard.core import DataError, OptionError
from regard.data.tsv import open_text, open_text_to_score

LINES = "".join(f"text {n}\tresult {n}\n" for n in range(60))


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return f"tsv:{path}"


def test_splits_are_cut_by_sources(tmp_path):
    source = open_text(write(tmp_path / "a.tsv", LINES + "text 3\tanother\n"))
    every = [text for split in ("train", "val", "test") for text in source.splits[split].sources]
    assert sorted(set(every)) == sorted(f"text {n}" for n in range(60))
    assert sum(source.account.used.values()) == source.account.found == 61
    assert source.account.complete
    longer = open_text(write(tmp_path / "b.tsv", "more\tlines\n" + LINES))
    assert set(source.splits["test"].sources) <= {*longer.splits["test"].sources}
    assert source.fingerprint != longer.fingerprint
    assert "Cut by a hash" in source.notes[0]


def test_a_folder_has_splits_of_its_own(tmp_path):
    write(tmp_path / "train.tsv", LINES)
    write(tmp_path / "test.tsv", "a\t1\na\t2\ntext 0\tresult 0\n")
    source = open_text(f"tsv:{tmp_path}")
    assert source.splits["test"].references == (("1", "2"), ("result 0",))
    assert len(source.splits["train"]) + len(source.splits["val"]) == 60
    assert len(source.warnings) == 1
    assert len(open_text_to_score(f"tsv:{tmp_path}").splits["all"]) == 61


def test_bad_lines_are_told_with_their_number(tmp_path):
    bad = (
        b"\xef\xbb\xbfok\tone\r\n\n   \nno column\n a\tb\tc\n\tno source\nno target\t \nb\xffd\tx\n"
        + b"x" * 30
        + b"\ty\n"
    )
    data = write(tmp_path / "bad.tsv", bad + LINES.encode()) + ":longest=20"
    source = open_text(data)
    found = {entry.path.rpartition(":")[2]: entry.reason for entry in source.account.left_out}
    assert found == {
        "2": "an empty line",
        "3": "an empty line",
        "4": "1 column instead of a source, a tab and a target",
        "5": "3 columns instead of a source, a tab and a target",
        "6": "no source",
        "7": "no target",
        "8": "not UTF-8 at byte 2",
        "9": "more than 20 characters",
    }
    assert "ok" in {text for pairs in source.splits.values() for text in pairs.sources}
    with pytest.raises(DataError, match=r"bad\.tsv:2: an empty line\. Leave such lines out with --on-bad skip"):
        open_text(data, on_bad="fail")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        ("a\tb\n".encode("utf-16"), "UTF-16"),
        (b"only\nwords\n", "holds no line of 'train' that can be used. 2 cannot be used"),
        (b"a\t1\n", "too few sources to make the split"),
    ],
)
def test_a_file_without_pairs_is_refused(tmp_path, data, said):
    with pytest.raises(DataError, match=said):
        open_text(write(tmp_path / "a.tsv", data))


def test_options_stand_behind_the_path(tmp_path):
    data = write(tmp_path / "a:b.tsv", LINES)
    source = open_text(f"{data}:source=pairs,target=phonemes,symbols=500")
    assert (source.source_units, source.target_units, source.symbols) == ("pairs", "phonemes", 500)
    with pytest.raises(OptionError, match="there is no option 'units'"):
        open_text(f"{data}:units=words")
    with pytest.raises(OptionError, match="source='letters' is not allowed"):
        open_text(f"{data}:source=letters")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="There is no file or folder"):
        open_text(f"tsv:{tmp_path / 'none.tsv'}")
    with pytest.raises(DataError, match=r"has no train\.tsv"):
        open_text(f"tsv:{tmp_path}")
    with pytest.raises(DataError, match="names no file"):
        open_text("tsv:")
