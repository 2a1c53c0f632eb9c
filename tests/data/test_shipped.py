"""The sets in the package: counts, balance, checksum, splits that share no image."""

import hashlib
from importlib.resources import files

import pytest

from regard.data import open_source
from regard.data.shipped import SHIPPED

CHECKSUMS = {
    "fashion-mini": "c8187c3970572677674bd6cf25a441e9b72e247d1955946b338e239385182c5b",
    "mnist-mini": "8170179beccef041882f29679bdd8bbd278d3a935dc62724e797807c6f5593fe",
}


@pytest.fixture(scope="module", params=[entry.name for entry in SHIPPED])
def source(request):
    return open_source(request.param)


def test_counts_and_balance(source):
    assert len(source.classes) == 10
    assert source.counts() == {"train": (600,) * 10, "val": (100,) * 10, "test": (200,) * 10}
    assert source.splits["train"].read(0).shape == (1, 28, 28)
    assert (source.channels, source.multi_label, source.warnings, source.notes) == (1, False, (), ())


def test_no_image_is_in_two_splits_or_twice(source):
    contents = [c for images in source.splits.values() for c in images.contents()]
    assert len(set(contents)) == len(contents) == 9000


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksum_and_size(name):
    data = files("regard.data.small").joinpath(f"{name}.npz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == CHECKSUMS[name]
    assert len(data) < 4_500_000


def test_each_has_its_notice(source):
    notice = files("regard.data.small").joinpath("NOTICE.md").read_text(encoding="utf-8")
    assert f"{source.name}.npz" in notice
    assert "Copyright © 2017 Zalando SE" in notice
    assert "without restriction, including without limitation" in notice
    assert "Attribution-Share Alike 3.0" in notice
    assert source.licence


def test_digits_are_not_mirrored():
    assert {entry.name: entry.mirror for entry in SHIPPED} == {"fashion-mini": True, "mnist-mini": False}
