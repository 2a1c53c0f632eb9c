"""Clips and series as arrays in one file, .npz or .pt, with their lengths."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.core.errors import DataError
from regard.data.account import LeftOut, Tally
from regard.data.clips import ArrayClips, ClipKind, Clips
from regard.data.npz import Arrays, arrays_of, name_classes, number_labels, read_labels
from regard.data.source import SPLITS, Split

_LENGTHS = tuple(f"lengths_{split}" for split in SPLITS)
_KEYS = (*(f"{axis}_{split}" for split in SPLITS for axis in ("x", "y", "lengths")), "classes")
_RULE: dict[ClipKind, str] = {
    "clip": "uint8 of shape (n, c, t, h, w) with 1 or 3 channels or (n, t, h, w), or, one clip behind the other with "
    "lengths, (frames, c, h, w) or (frames, h, w)",
    "sound": "numbers of shape (n, c, t), or, one series behind the other with lengths, (steps, c)",
}
_LAYOUT = (
    "Arrays of clips and series are called x_train, y_train, x_test, y_test and, optionally, lengths_train, "
    "lengths_test, x_val, y_val, lengths_val and classes"
)


def open_clip_arrays(
    path: Path, kind: ClipKind, *, limit: int | None = None, scoring: bool = False
) -> tuple[tuple[str, ...], dict[Split, Clips], Tally, tuple[str, ...]]:
    """Opens clips or series in the arrays of an .npz file, or in the dictionary of tensors of a .pt file.

    x_train is dense: clips (n, c, t, h, w) or (n, t, h, w) uint8, series (n, c, t) of numbers; lengths_train (n,)
    then says how many frames of each are there, all by default. Or x_train has the frames of all clips one behind the
    other, (frames, c, h, w) or (frames, h, w), or (steps, c) of series, and lengths_train says how many belong to each.
    Labels and names of classes are as in `npz:` of images.

    Args:
        path: the file.
        kind: `clip` or `sound`.
        limit: a series with more steps is left out; None for no limit.
        scoring: True allows a file without train.

    Returns:
        The classes, the splits, the tally and notes.

    Raises:
        DataError: the file, an array, a length or a label is invalid.
    """
    read = _read_tensors if path.suffix.lower() in (".pt", ".pth") else _read_npz
    arrays, others = read(path, scoring)
    arrays = number_labels(str(path), arrays)
    parts: dict[Split, Clips] = {}
    tally = Tally(unit=kind)
    for split in SPLITS:
        if f"x_{split}" not in arrays and f"y_{split}" not in arrays:
            continue
        clips = _split(str(path), split, arrays, kind)
        tally.found += len(clips)
        parts[split] = _within(clips, limit, tally)
    _check_alike(path, parts)
    classes = name_classes(str(path), arrays.get("classes"), {split: part.labels for split, part in parts.items()})
    passed = f"{path} has arrays that regard does not use: {', '.join(others)}."
    return classes, parts, tally, (passed,) if others else ()


def _read_npz(path: Path, scoring: bool) -> tuple[Arrays, tuple[str, ...]]:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not an npz file (a zip archive of arrays), or it is truncated. {_LAYOUT}.")
    with path.open("rb") as file:
        return arrays_of(str(path), file, whole=not scoring, more=_LENGTHS, layout=_LAYOUT)


def _read_tensors(path: Path, scoring: bool) -> tuple[Arrays, tuple[str, ...]]:
    """The tensors of a file of `torch.save`; nothing in it is run."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} holds more than tensors, numbers and text, or it is damaged; nothing in it is run. Save a "
            "dictionary of tensors: torch.save({'x_train': ..., 'y_train': ...}, path)."
        ) from error
    except Exception as error:  # broken archives raise almost anything
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}. Write it again.") from error
    if not isinstance(held, dict):
        raise DataError(f"{path} holds a {type(held).__name__}, not a dictionary of tensors. {_LAYOUT}.")
    arrays = {str(key): _as_array(path, str(key), value) for key, value in held.items() if key in _KEYS}
    missing = [key for key in ("x_train", "y_train") if key not in arrays]
    if (missing and not scoring) or not any(key.startswith("x_") for key in arrays):
        raise DataError(
            f"{path} has no {' and no '.join(missing)}; it has {', '.join(map(str, held)) or 'nothing'}. {_LAYOUT}."
        )
    return arrays, tuple(str(key) for key in held if key not in _KEYS)


def _as_array(path: Path, key: str, value: object) -> NDArray[Any]:
    if isinstance(value, Tensor):
        return (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return np.array(value)
    raise DataError(f"{path}: {key!r} is a {type(value).__name__}; it must be a tensor, or a list of names.")


def _split(where: str, split: Split, arrays: Arrays, kind: ClipKind) -> ArrayClips:
    """The clips of one split."""
    x, y, sizes = f"x_{split}", f"y_{split}", f"lengths_{split}"
    if x not in arrays or y not in arrays:
        there, missing = (x, y) if x in arrays else (y, x)
        raise DataError(f"{where} has {there} but no {missing}: a split needs both. Add {missing}, or leave both out.")
    labels = read_labels(where, y, arrays[y])
    if labels.ndim != 1:
        raise DataError(f"{where}: {y} has shape {tuple(labels.shape)}; a {kind} has one class: labels must be (n,).")
    values = _values(where, x, arrays[x], kind)
    lengths = None if sizes not in arrays else _lengths(where, sizes, arrays[sizes], len(labels))
    dense = {"clip": (4, 5), "sound": (3,)}[kind]
    if (
        lengths is not None
        and len(values) == int(lengths.sum())
        and values.ndim < max(dense)
        and (len(values) != len(labels) or values.ndim not in dense)
    ):
        framed = values.unsqueeze(1) if kind == "clip" and values.ndim == 3 else values
        if framed.ndim != (4 if kind == "clip" else 2):
            raise DataError(f"{where}: {x} has shape {tuple(values.shape)}; it must be {_RULE[kind]}.")
        return ArrayClips.of(_channels(where, x, framed, kind), lengths, labels, x)
    if values.ndim not in dense:
        raise DataError(f"{where}: {x} has shape {tuple(values.shape)}; it must be {_RULE[kind]}.")
    if len(values) != len(labels):
        raise DataError(
            f"{where}: {x} has {len(values)} {kind}s but {y} has {len(labels)} labels; there must be one each."
        )
    framed = (values.unsqueeze(1) if kind == "clip" and values.ndim == 4 else values).movedim(2, 1)
    steps = framed.shape[1]
    lengths = torch.full((len(labels),), steps) if lengths is None else lengths
    if len(lengths) and int(lengths.max()) > steps:
        at = int(lengths.argmax())
        raise DataError(f"{where}: {sizes}[{at}] is {int(lengths[at])}, but {x} has only {steps} frames.")
    valid = torch.arange(steps) < lengths[:, None]
    return ArrayClips.of(_channels(where, x, framed[valid], kind), lengths, labels, x)


def _values(where: str, key: str, array: NDArray[Any], kind: ClipKind) -> Tensor:
    """The array as a tensor of its kind's dtype."""
    if kind == "clip" and array.dtype != np.uint8:
        raise DataError(f"{where}: {key} has dtype {array.dtype}; clips must be uint8, from 0 to 255.")
    if kind == "sound" and array.dtype.kind not in "fiu":
        raise DataError(f"{where}: {key} has dtype {array.dtype}; series must be numbers.")
    if not array.size:
        raise DataError(f"{where}: {key} has shape {array.shape}, so no {kind}: a split has at least one.")
    native = array if kind == "clip" else array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    return torch.from_numpy(np.ascontiguousarray(native))


def _channels(where: str, key: str, framed: Tensor, kind: ClipKind) -> Tensor:
    """The frames, checked: usual channels of clips, finite numbers of series."""
    if kind == "clip" and framed.shape[1] not in (1, 3):
        raise DataError(f"{where}: the clips of {key} have {framed.shape[1]} channels; it must be {_RULE[kind]}.")
    if kind == "sound" and not bool(framed.isfinite().all()):
        raise DataError(
            f"{where}: {key} holds NaN or infinite values within the lengths of its series: replace them, or shorten "
            "the lengths."
        )
    return framed


def _lengths(where: str, key: str, array: NDArray[Any], count: int) -> Tensor:
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise DataError(
            f"{where}: {key} has shape {array.shape} and dtype {array.dtype}; it must have a whole number for each of "
            f"the {count} labels."
        )
    lengths = torch.from_numpy(array.astype(np.int64))
    if count and int(lengths.min()) < 1:
        raise DataError(
            f"{where}: {key}[{int(lengths.argmin())}] is {int(lengths.min())}; a length must be at least 1."
        )
    return lengths


def _within(clips: ArrayClips, limit: int | None, tally: Tally) -> Clips:
    """The series that are not over the limit; the others go into the tally."""
    if limit is None or not len(clips) or int(clips.lengths.max()) <= limit:
        return clips
    for index in (clips.lengths > limit).nonzero()[:, 0].tolist():
        reason = f"it has {int(clips.lengths[index]):,} steps, over the limit of {limit:,} (limit=)"
        tally.left_out.append(LeftOut(clips.names(index), reason))
    return clips.take((clips.lengths <= limit).nonzero()[:, 0])


def _check_alike(path: Path, parts: dict[Split, Clips]) -> None:
    """Raises unless the frames of all splits have one shape."""
    shapes = {split: (part.channels, *part.sizes()[0].tolist()) for split, part in parts.items() if len(part)}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"x_{split} {shape}" for split, shape in shapes.items())
        raise DataError(f"{path}: frames have different shapes (channels, and height and width of clips): {listed}.")
