"""A file is the old one or the new one, whatever happens while it is written."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from regard.core import RunError
from regard.core.files import as_bytes, expect_writable, replacing, write_whole


@contextmanager
def room_for(size):
    """As on a disk with `size` bytes left."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_write_keeps_the_old_file(tmp_path):
    target = tmp_path / "facts.txt"
    write_whole(target, b"old")
    with pytest.raises(ZeroDivisionError), replacing(target) as aside:
        aside.write_text("half of the ne" + str(1 / 0))
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["facts.txt"]


def test_the_folder_is_made(tmp_path):
    assert write_whole(tmp_path / "a" / "b" / "c.txt", b"text") == tmp_path / "a/b/c.txt"
    assert (tmp_path / "a/b/c.txt").read_text() == "text"
    assert (tmp_path / "a/b/c.txt").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"c\.txt: could not be written: .*left behind\. Ask someone\."):
        write_whole(tmp_path / "file" / "c.txt", b"text", remedy="Ask someone.")


def test_an_unwritable_path_is_found_before():
    with pytest.raises(RunError, match="could not be written"):
        expect_writable(Path("/dev/null/results.json"))


def test_a_writable_path_is_left_alone(tmp_path):
    (tmp_path / "old.json").write_text("old")
    expect_writable(tmp_path / "old.json")
    expect_writable(tmp_path / "new" / "new.json")
    assert [one.name for one in sorted(tmp_path.rglob("*"))] == ["new", "old.json"]
    with pytest.raises(RunError, match="is a folder"):
        expect_writable(tmp_path)


def test_a_full_disk_keeps_the_old_file(tmp_path):
    target = tmp_path / "facts.txt"
    target.write_text("old")
    with room_for(1000), pytest.raises(RunError) as caught:
        write_whole(target, b"new" * 1000)
    said = str(caught.value)
    assert said.startswith(f"{target}: could not be written: File too large. The file that was there before is intact.")
    assert "run the same command again" in said
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["facts.txt"]


def test_of_several_writers_at_once_one_wins_whole(tmp_path):
    texts = [bytes([65 + i]) * 100_000 for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda text: write_whole(tmp_path / "x", text), texts))
    assert (tmp_path / "x").read_bytes() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_any_name_survives_json():
    name = "folder:ca\udce9/猫"
    assert json.loads(as_bytes(json.dumps({"name": name}, ensure_ascii=False)))["name"] == name
