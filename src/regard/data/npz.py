"""`npz:PATH`: images and labels as arrays in one file, the layout that Keras made common."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.core.errors import DataError
from regard.data.images import ArrayImages
from regard.data.source import SPLITS, Holding, Opening, Split

Arrays = dict[str, NDArray[Any]]

_KEYS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "classes")
_OTHER_NAMES = {
    f"{split}_{kind}": f"{axis}_{split}" for kind, axis in (("images", "x"), ("labels", "y")) for split in SPLITS
}
"""Names of the same arrays in MedMNIST."""

_MOST = 1_000_000
_LAYOUT = (
    "An npz source has the arrays x_train, y_train, x_test, y_test and, optionally, x_val, y_val and classes (np.savez)"
)


def open_npz(text: str, opening: Opening) -> Holding:
    """Opens the npz file at `text`.

    The arrays x_train and x_test are (n, h, w) or (n, h, w, c) uint8 with 1 or 3 channels; y_train and y_test are
    class numbers (n,) or, if images may have several classes, (n, k) of 0 and 1 (read as class numbers if every
    row has exactly one 1), or names of classes. The names of MedMNIST, train_images and train_labels, mean the same.
    x_val and y_val are cut from the training images if they are missing, as are x_test and y_test; `classes` are names,
    by default the class numbers.

    Raises:
        DataError: the file, an array or a label is invalid.
    """
    path, name = Path(text).expanduser(), f"npz:{text}"
    if path.is_dir():
        raise DataError(f"{path} is a folder, not an npz file: a folder of images is opened as folder:{text}.")
    if not path.exists():
        raise DataError(f"There is no file {path}. {_LAYOUT}: write npz: and its path.")
    if not zipfile.is_zipfile(path):
        raise DataError(
            f"{path} is not an npz file (a zip archive of arrays), or it is truncated. {_LAYOUT}: write it again."
        )
    with path.open("rb") as file:
        arrays, others = arrays_of(str(path), file, whole=not opening.scoring)
    classes, parts = splits_of(str(path), arrays)
    passed = f"{path} has arrays that regard does not use: {', '.join(others)}."
    return Holding(name, classes, parts, notes=(passed,) if others else ())


def arrays_of(
    where: str, file: IO[bytes], *, whole: bool = True, more: Sequence[str] = (), layout: str = _LAYOUT
) -> tuple[Arrays, tuple[str, ...]]:
    """Reads the known arrays of an npz file, and the names of the others; nothing is ever unpickled.

    Args:
        where: the file, for messages.
        file: the file.
        whole: True requires training images, not only those of some split.
        more: the names of further arrays that are read if they are there.
        layout: the arrays that a source of this kind has, for messages.
    """
    known = (*_KEYS, *more)
    arrays, reading = {}, "its start"
    try:
        with np.load(file, allow_pickle=False) as archive:
            others = tuple(n for n in archive.files if n not in known and n not in _OTHER_NAMES)
            for name in archive.files:
                key = _OTHER_NAMES.get(name, name)
                if key in known and key not in arrays:
                    reading = f"the array {name!r}"
                    arrays[key] = archive[name]
            needed = _KEYS[:2] if whole or not any(key.startswith("x_") for key in arrays) else ()
            if missing := [key for key in needed if key not in arrays]:
                raise DataError(
                    f"{where} has no {' and no '.join(missing)}; it has {', '.join(archive.files) or 'nothing'}. "
                    f"{layout}."
                )
    except DataError:
        raise
    except Exception as error:  # as with images, broken archives raise almost anything
        if "allow_pickle" in str(error):
            raise DataError(
                f"{where} holds pickled Python objects ({reading}), which could run a program when they are read: "
                "they are refused. Save plain arrays of numbers, or of strings for classes."
            ) from error
        raise DataError(
            f"{where} cannot be read: {type(error).__name__}: {error}. It may be truncated; write it again."
        ) from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"{where}: {key!r} is not an array. {layout}.")
    return arrays, others


def splits_of(where: str, arrays: Arrays) -> tuple[tuple[str, ...], dict[Split, ArrayImages]]:
    """Checks the arrays; returns the class names and the splits."""
    parts: dict[Split, tuple[Tensor, Tensor]] = {}
    arrays = number_labels(where, arrays)
    for split in SPLITS:
        x, y = f"x_{split}", f"y_{split}"
        if (x in arrays) != (y in arrays):
            there, missing = (x, y) if x in arrays else (y, x)
            raise DataError(
                f"{where} has {there} but no {missing}: a split needs both. Add {missing}, or leave both out."
            )
        if x in arrays:
            images, labels = _images(where, x, arrays[x]), read_labels(where, y, arrays[y])
            if len(images) != len(labels):
                raise DataError(
                    f"{where}: {x} has {len(images)} images but {y} has {len(labels)} labels; "
                    "there must be one an image."
                )
            parts[split] = images, labels
    if all(y.ndim == 2 and bool((y.sum(1) == 1).all()) for _, y in parts.values()):
        parts = {split: (x, y.argmax(1)) for split, (x, y) in parts.items()}
    first = next(iter(parts))
    train = parts[first][0]
    for split, (images, _) in parts.items():
        if images.shape[1:] != train.shape[1:]:
            raise DataError(
                f"{where}: images in x_{split} are {_shape(images)} but those in x_{first} are {_shape(train)}; "
                "all must have one size. Use a folder: source for images of mixed sizes."
            )
    classes = name_classes(where, arrays.get("classes"), {split: labels for split, (_, labels) in parts.items()})
    return classes, {split: ArrayImages(x, y, f"x_{split}") for split, (x, y) in parts.items()}


def number_labels(where: str, arrays: Arrays) -> Arrays:
    """Replaces labels that are names of classes by class numbers."""
    named = {key: a.reshape(-1) for key, a in arrays.items() if key.startswith("y_") and _is_named(a)}
    if not named or len(named) < sum(key.startswith("y_") for key in arrays):
        return arrays
    words = {key: [_word(label) for label in array.tolist()] for key, array in named.items()}
    classes = sorted({word for labels in words.values() for word in labels}, key=_in_order)
    if "classes" in arrays:
        given = [_word(label) for label in arrays["classes"].reshape(-1).tolist()]
        if missing := [label for label in classes if label not in given]:
            raise DataError(f"{where}: there is the label {missing[0]!r}, which is not in classes: add it there.")
        classes = given
    number = {label: i for i, label in enumerate(classes)}
    numbered = {key: np.array([number[w] for w in labels], np.int64) for key, labels in words.items()}
    return {**arrays, **numbered, "classes": np.array(classes)}


def _is_named(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "US" and (labels.ndim == 1 or labels.shape[1:] == (1,))


def _word(label: object) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _in_order(label: str) -> tuple[int, int, str]:
    """A sort key: numbers by value, before words."""
    return (0, int(label), "") if label.isdecimal() else (1, 0, label)


def _images(where: str, key: str, array: NDArray[Any]) -> Tensor:
    """(n, c, h, w) uint8."""
    layout = "(n, h, w), or (n, h, w, c) with 1 or 3 channels"
    if array.dtype != np.uint8:
        hint = " Values from 0 to 1 become so by (255 * x).round().astype('uint8')." if array.dtype.kind == "f" else ""
        raise DataError(f"{where}: {key} has dtype {array.dtype}; images must be uint8, from 0 to 255.{hint}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        first = array.ndim == 4 and array.shape[1] in (1, 3)
        hint = f" Channels go last: {key}.transpose(0, 2, 3, 1)." if first else ""
        raise DataError(f"{where}: {key} has shape {array.shape}; it must be {layout}.{hint}")
    if not array.size:
        raise DataError(f"{where}: {key} has shape {array.shape}, so no image: a split has at least one.")
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()


def read_labels(where: str, key: str, array: NDArray[Any]) -> Tensor:
    """Checks labels; returns (n,) int64 or (n, k) float32."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind not in "iub" and not (array.ndim == 2 and array.dtype.kind == "f"):
        raise DataError(
            f"{where}: {key} has dtype {array.dtype}; labels must be whole class numbers: {key}.astype('int64')."
        )
    if array.ndim == 2:
        if not np.isin(array, (0, 1)).all():
            raise DataError(
                f"{where}: {key} has shape {array.shape}, so a column a class, but not only 0 and 1 in it: "
                "write 1 where an image has the class, else 0."
            )
        return torch.from_numpy(array.astype(np.float32))
    if array.ndim != 1:
        raise DataError(f"{where}: {key} has shape {array.shape}; labels must be (n,), or (n, k) of 0 and 1.")
    for label in (int(array.min()), int(array.max())) if array.size else ():
        if not 0 <= label < _MOST:
            raise DataError(f"{where}: {key} has the label {label}; labels must be from 0 to k - 1 for k classes.")
    return torch.from_numpy(array.astype(np.int64))


def name_classes(where: str, names: NDArray[Any] | None, labels: Mapping[Split, Tensor]) -> tuple[str, ...]:
    """Returns the names of the classes; every label must have one."""
    first = next(iter(labels))
    train = labels[first]
    multi_label = train.ndim == 2
    if any(y.ndim != train.ndim or y.shape[1:] != train.shape[1:] for y in labels.values()):
        shapes = ", ".join(f"y_{split} {tuple(y.shape)}" for split, y in labels.items())
        raise DataError(f"{where}: the labels of its splits do not go together: {shapes}. Write all in one form.")
    count = (
        train.shape[1]
        if multi_label
        else int(train.max() if "train" in labels else max(int(y.max()) for y in labels.values())) + 1
    )
    if names is None:
        rule = f"y_{first} has the classes 0 to {count - 1}"
        classes = tuple(str(i) for i in range(count))
    else:
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise DataError(
                f"{where}: classes has shape {names.shape} and dtype {names.dtype}; it must be a list of names, "
                "np.array(['cat', 'dog'])."
            )
        classes = tuple(map(_word, names.tolist()))
        rule = f"there are {len(classes)} names in classes"
        if len(set(classes)) < len(classes):
            raise DataError(f"{where}: classes has a name twice: {', '.join(classes)}. Every class needs its own.")
    for split, y in labels.items():
        largest = y.shape[1] - 1 if multi_label else int(y.max())
        if largest >= len(classes):
            raise DataError(
                f"{where}: y_{split} has the label {largest}, but {rule}. Labels must be from 0 to "
                f"{len(classes) - 1}: correct the labels, or add the class."
            )
    if multi_label and count != len(classes):
        raise DataError(f"{where}: y_{first} has {count} columns, but {rule}: there must be one name a column.")
    return classes


def _shape(images: Tensor) -> str:
    channels, height, width = images.shape[1:]
    return f"{height} x {width} with {channels} channel{'s' if channels > 1 else ''}"
