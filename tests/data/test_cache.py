"""The folder of the cache."""

from pathlib import Path

from regard.data.cache import cache_folder


def test_first_of_three_folders(monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("REGARD_CACHE")
    assert cache_folder() == Path("/b/regard")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/regard"
