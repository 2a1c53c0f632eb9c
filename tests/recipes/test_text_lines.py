import io
import sys

import pytest

from regard.core import DataError
from regard.recipes.text_lines import text_lines


def lines(given, **options):
    return text_lines("predict", given, **{"limit": 20, "on_bad": "skip"} | options)


def test_texts_files_and_standard_input(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo  words\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"three\n")))
    found, tally = lines(["a text", str(file), "-"])
    assert [line.text for line in found] == ["a text", "one", "two words", "three"]
    assert [line.where for line in found] == ["text 1", f"{file}:1", f"{file}:2", "standard input:1"]
    assert tally.found == 4


def test_bad_texts_are_left_out_or_an_error(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"ok\n\n\xff\n" + b"x" * 21)
    found, tally = lines([str(file)])
    assert [line.text for line in found] == ["ok"]
    assert [entry.reason for entry in tally.left_out] == [
        "an empty line", "not UTF-8 at byte 1", "more than 20 characters",
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"a\.txt:2: an empty line\. Leave such texts out"):
        lines([str(file)], on_bad="fail")
    with pytest.raises(DataError, match="there is no text that can be used; the first: text 1: an empty line"):
        lines(["  "])
    with pytest.raises(DataError, match="there is no text: name texts"):
        lines([])
