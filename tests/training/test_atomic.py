"""A file is the old one or the new one, whatever happens while it is written."""

import pytest

from regard.core import CheckpointError
from regard.training.atomic import replacing, write_text


def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path):
    target = tmp_path / "facts.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), replacing(target) as aside:
        aside.write_text("half of the ne" + str(1 / 0))
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["facts.txt"]


def test_the_folder_is_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a/b/c.txt").read_text() == "text"
    assert (tmp_path / "a/b/c.txt").stat().st_mode & 0o777 == 0o644


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"c\.txt: could not be written: .*--out"):
        write_text(tmp_path / "file" / "c.txt", "text")


def test_a_file_that_cannot_grow(tmp_path, file_limit):
    target = tmp_path / "facts.txt"
    target.write_text("old")
    with file_limit(1000), pytest.raises(CheckpointError) as caught:
        write_text(target, "new" * 1000)
    said = str(caught.value)
    assert said.startswith(f"{target}: could not be written: File too large. The file that was there before is intact.")
    assert "--resume" in said
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["facts.txt"]
