"""torchvision: sources, from tiny sets on disk in the sets' own formats; nothing is downloaded."""

import struct

import numpy as np
import pytest
from PIL import Image

from regard.core.errors import DataError, OptionError, UnknownNameError
from regard.data import open_source
from regard.data.torchvision_sets import TORCHVISION_SETS


@pytest.fixture
def mnist(tmp_path):
    """Forty training and ten test images in MNIST's IDX format."""
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 40), ("t10k", 10)):
        x = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        y = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, *x.shape) + x.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + y.tobytes())
    return tmp_path


def test_a_set_in_memory(mnist):
    source = open_source(f"torchvision:mnist:root={mnist}")
    assert source.channels == 1
    assert source.classes[3] == "3 - three"
    assert {k: len(v) for k, v in source.splits.items()} == {"train": 30, "val": 10, "test": 10}
    raw = np.frombuffer((mnist / "MNIST/raw/t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    np.testing.assert_array_equal(source.splits["test"].read(3)[0], raw.reshape(10, 28, 28)[3])
    assert not source.mirror
    assert source.licence


def test_file_set_is_checked_like_a_folder(tmp_path, noise):
    base = tmp_path / "dtd/dtd"
    (base / "labels").mkdir(parents=True)
    for s, split in enumerate(("train", "val", "test")):
        lines = []
        for c, label in enumerate(("banded", "dotted")):
            (base / "images" / label).mkdir(parents=True, exist_ok=True)
            for i in range(11):
                file = f"{label}/{split}{i}.jpg"
                Image.fromarray(noise(100 * s + 50 * c + i, 30, 40 + i)).save(base / "images" / file)
                lines.append(file)
        (base / f"labels/{split}1.txt").write_text("\n".join(lines))
    broken = base / "images/dotted/val3.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    source = open_source(f"torchvision:DTD:root={tmp_path}")
    assert source.counts() == {"train": (11, 11), "val": (11, 10), "test": (11, 11)}
    assert source.classes == ("banded", "dotted")
    assert [bad.path for bad in source.account.bad] == [str(broken)]
    assert source.splits["test"].names(1) == "banded/test1.jpg"
    assert source.splits["test"].read(1).shape == (3, 30, 41)
    with pytest.raises(DataError, match="1 of 66 images"):
        open_source(f"torchvision:DTD:root={tmp_path}", on_bad="fail")


def test_made_up_images():
    text = "torchvision:FakeData:size=60,image_size=(3,8,9),num_classes=3"
    source = open_source(text)
    assert source.splits["train"].read(0).shape == (3, 8, 9)
    assert len(source.splits["test"]) == 60
    assert source.fingerprint == open_source(text).fingerprint


def test_nothing_is_downloaded_unasked(tmp_path):
    for entry in TORCHVISION_SETS:
        if "download" in entry.options:
            with pytest.raises(DataError, match=f"torchvision:{entry.name}:download=true to download it"):
                open_source(f"torchvision:{entry.name}:root={tmp_path / 'empty'}")
    with pytest.raises(DataError, match="could not be opened under"):
        open_source(f"torchvision:ImageNet:root={tmp_path}")


def test_misspelt():
    with pytest.raises(UnknownNameError, match="Did you mean 'CIFAR10'"):
        open_source("torchvision:CIFAR-10")
    with pytest.raises(OptionError, match="no option 'rooot'"):
        open_source("torchvision:CIFAR10:rooot=here")
