"""Makes the shipped sets from the full ones: 6,000 + 1,000 + 2,000 images, the same number from every class.

    python -m regard.data.small.make fashion_mnist.npz src/regard/data/small/fashion-mini.npz
    python -m regard.data.small.make mnist.npz src/regard/data/small/mnist-mini.npz

The full file has the arrays x_train, y_train, x_test and y_test. Training and validation images come from its
training images, test images from its test images. Of each class those images are taken whose numbers come
first when ordered by a hash of the number, so that no random generator decides; an image that equals one already
taken is skipped, so that no image is in the result twice. Beside the images (x_*) and labels (y_*) the result
holds each image's number in the full set (i_train and i_val in x_train, i_test in x_test) and the class names.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COUNTS = {"train": 6000, "val": 1000, "test": 2000}
NAMES = {
    "fashion-mini": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "mnist-mini": tuple("0123456789"),
}


def choose(
    full: dict[str, NDArray[np.uint8]], name: str, counts: dict[str, int] | None = None
) -> dict[str, NDArray[np.uint16]]:
    """Chooses the images of each split from the full set; returns their numbers, ascending.

    Args:
        full: the arrays x_train, y_train, x_test and y_test.
        name: the set's name, part of the hash.
        counts: images a split, a multiple of the number of classes; `COUNTS` by default.
    """
    taken: set[bytes] = set()
    chosen: dict[str, list[int]] = {}
    classes = np.unique(full["y_train"])
    for split, count in (counts or COUNTS).items():
        part = "test" if split == "test" else "train"
        x, y = full[f"x_{part}"], full[f"y_{part}"]
        chosen[split] = []
        for label in classes:
            candidates = sorted(np.flatnonzero(y == label).tolist(), key=lambda i: _rank(name, part, i))
            wanted = len(chosen[split]) + count // len(classes)
            for i in candidates:
                if len(chosen[split]) < wanted and (content := x[i].tobytes()) not in taken:
                    taken.add(content)
                    chosen[split].append(i)
    return {split: np.array(sorted(numbers), np.uint16) for split, numbers in chosen.items()}


def archive(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """Encodes the arrays as a compressed npz file, whose bytes depend only on the arrays (and zlib)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            file.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return out.getvalue()


def make(full: dict[str, NDArray[np.uint8]], name: str, counts: dict[str, int] | None = None) -> bytes:
    """The bytes of the small set `name` (`fashion-mini` or `mnist-mini`), made from the full set."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, numbers in choose(full, name, counts).items():
        part = "test" if split == "test" else "train"
        arrays[f"x_{split}"] = full[f"x_{part}"][numbers]
        arrays[f"y_{split}"] = full[f"y_{part}"][numbers]
        arrays[f"i_{split}"] = numbers
    return archive(arrays | {"classes": np.array(NAMES[name])})


def _rank(name: str, part: str, number: int) -> bytes:
    return hashlib.sha256(f"{name}/{part}/{number}".encode()).digest()


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    with np.load(source, allow_pickle=False) as arrays:
        target.write_bytes(make(dict(arrays), target.stem))
