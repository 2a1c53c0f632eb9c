import os

import pytest

from regard.core.errors import DataError
from regard.data.clip_checking import BadClipError, Checked, check_files, digest_of


def test_only_changed_files_are_examined_again(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"22")
    seen, steps = [], []

    def examine(path):
        seen.append(path.name)
        return Checked(None, len(path.read_bytes()), 3, 4, 2.5, (0, 0, 1), digest_of(path))

    def check(reader="1"):
        return check_files(tmp_path, ["a", "b"], examine, reader, lambda done, total: steps.append((done, total)))

    first = check()
    assert [one.length for one in first] == [1, 2]
    assert check() == first
    assert sorted(seen) == ["a", "b"]
    (tmp_path / "b").write_bytes(b"333")
    assert check()[1].length == 3
    assert seen[2:] == ["b"]
    check("another version")
    assert len(seen) == 5
    assert steps[:2] == [(1, 2), (2, 2)]


def test_bad_files_are_examined_every_time(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    reasons = iter(["broken", None])
    found = [check_files(tmp_path, ["a"], lambda _: Checked(next(reasons)), "", None)[0].reason for _ in range(2)]
    assert found == ["broken", None]


def test_empty_and_missing_files_have_reasons(tmp_path):
    (tmp_path / "a").touch()
    empty, missing = check_files(tmp_path, ["a", "b"], lambda _: Checked(None), "", None)
    assert "0 bytes" in empty.reason
    assert os.strerror(2) in missing.reason


def test_the_error_of_a_worker_is_one_sentence():
    error = BadClipError.of("video", "a.mp4", "it is short")
    again = BadClipError(f"Caught BadClipError in worker\nTraceback ...\nBadClipError: {error}")
    assert str(again) == str(error) == "The video a.mp4 cannot be used: it is short. Repair, replace or remove it."
    with pytest.raises(DataError):
        raise again
