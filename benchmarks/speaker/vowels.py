"""JapaneseVowels as an npz file that `regard train --data sound:PATH` reads.

270 and 370 recordings of nine speakers saying two vowels, 7 to 29 steps of 12 coefficients of linear prediction:
M. Kudo, J. Toyama, M. Shimbo: Multidimensional Curve Classification Using Passing-Through Regions, Pattern Recognition
Letters 20, 1999. The package aeon 1.6 brings it as text, https://pypi.org/project/aeon/.
"""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.core.errors import DataError

NAME = "JapaneseVowels"
Recordings = tuple[list[NDArray[np.float32]], NDArray[np.int64]]


def folder_of(given: str | None) -> Path:
    """The folder of the text files: the given one, or that of the installed package aeon.

    Raises:
        DataError: there is none.
    """
    if given is not None:
        path = Path(given).expanduser()
    else:
        package = importlib.util.find_spec("aeon")
        if package is None or package.origin is None:
            raise DataError(
                f"{NAME} comes with the package aeon: install it (pip install aeon==1.6.0 --no-deps is enough), or "
                f"name the folder of {NAME}_TRAIN.ts with --ts."
            )
        path = Path(package.origin).parent / "datasets" / "data" / NAME
    if not (path / f"{NAME}_TRAIN.ts").is_file():
        raise DataError(f"There is no {NAME}_TRAIN.ts in {path}: name the folder of the .ts files with --ts.")
    return path


def read_ts(path: Path) -> Recordings:
    """The series (steps, channels) of a .ts file and their class numbers, from 0.

    A line is a recording: channels with colons between, their values with commas, and the class behind the last colon.
    """
    series, labels, begun = [], [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if begun and line.strip():
            *channels, label = line.strip().split(":")
            series.append(np.array([[float(v) for v in channel.split(",")] for channel in channels], np.float32).T)
            labels.append(int(label) - 1)
        begun = begun or line.strip().lower() == "@data"
    if not series:
        raise DataError(f"{path} holds no recording: it needs lines behind @data.")
    return series, np.array(labels, np.int64)


def write_npz(folder: Path, out: Path) -> Path:
    """Writes both splits into one file, one recording behind the other, and returns its path."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, name in (("train", "TRAIN"), ("test", "TEST")):
        series, labels = read_ts(folder / f"{NAME}_{name}.ts")
        arrays[f"x_{split}"] = np.concatenate(series)
        arrays[f"lengths_{split}"] = np.array([len(one) for one in series], np.int64)
        arrays[f"y_{split}"] = labels
    arrays["classes"] = np.array([f"speaker {number + 1}" for number in range(9)])
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return out
