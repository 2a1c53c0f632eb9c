"""A name of a table finds its file where exactly one fits."""

import os

import pytest

from regard.data.resolving import Resolver


@pytest.fixture
def resolver(tmp_path):
    files = ["cat/One.jpg", "cat/two.jpg", "dog/two.jpg", "dog/three.v2.png", "Ma\u0308dchen.png"]
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return Resolver(tmp_path, [tmp_path / file for file in files])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cat/One.jpg", "cat/One.jpg"),
        ("./cat/One.jpg", "cat/One.jpg"),
        ("cat\\One.jpg", "cat/One.jpg"),
        ("data/train/cat/one.JPG", "cat/One.jpg"),
        ("one", "cat/One.jpg"),
        ("C:\\sets\\dog\\two", "dog/two.jpg"),
        ("three.v2", "dog/three.v2.png"),
        ("/elsewhere/dog/two.jpg", "dog/two.jpg"),
        ("M\u00e4dchen.png", "Ma\u0308dchen.png"),
        ("two.jpg", "two.jpg"),
        ("four.jpg", "four.jpg"),
    ],
)
def test_names_and_their_files(resolver, name, file):
    assert resolver.find(name) == file


def test_an_absolute_path_needs_no_remark(resolver, tmp_path):
    assert resolver.find(os.fspath(tmp_path / "cat/One.jpg")) == "cat/One.jpg"
    assert resolver.notes() == ()


def test_every_inexact_match_is_noted(resolver):
    for name in ("cat/One.jpg", "cat\\two.jpg", "CAT/two.jpg", "dog/two", "x/dog/two.jpg"):
        resolver.find(name)
    assert sorted(resolver.ways.values()) == [1, 1, 1, 1]
    assert all(said.startswith("1 name of the table was found ") for said in resolver.notes())
