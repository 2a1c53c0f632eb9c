"""The metadata of an exported file: all that a program without regard needs to use it, and where it is from."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from regard import __version__
from regard.data import Preprocessing
from regard.data.sizing import CROPPED
from regard.recipes.exportable import AXES, INPUT, OUTPUT
from regard.recipes.network import Loaded


def describe(loaded: Loaded, *, preprocessing: bool, free: bool) -> dict[str, Any]:
    """Returns the metadata as JSON values.

    Args:
        loaded: the network with the record of its run.
        preprocessing: True if the graph takes uint8 images.
        free: True if height and width are free in it.
    """
    known = loaded.preprocessing
    facts = {
        "task": loaded.record.task.name,
        "classes": list(loaded.classes),
        "multi_label": loaded.multi_label,
        "input": {
            "name": INPUT,
            "kind": loaded.record.input.kind,
            "axes": ["batch", "channel", "height", "width"],
            "dtype": "uint8" if preprocessing else "float32",
            "free": list(AXES.values()) if free else [AXES[0]],
        },
        "output": {"name": OUTPUT, "axes": ["batch", "class"], "probabilities": probabilities(loaded)},
        "channels": known.channels,
        "size": list(known.size),
        "resize": known.resize,
        "mean": list(known.mean),
        "std": list(known.std),
        "preprocessing": steps(known, inside=preprocessing),
    }
    return facts | _provenance(loaded)


def probabilities(loaded: Loaded) -> str:
    """Returns the function that makes probabilities of the logits."""
    return "sigmoid" if loaded.multi_label else "softmax"


def steps(preprocessing: Preprocessing, *, inside: bool) -> list[str]:
    """Returns the steps from an image file to the graph's input, in order, for people.

    Args:
        preprocessing: of the run.
        inside: True if the graph normalises.

    Example:
        >>> steps(Preprocessing(size=(28, 28), channels=1, mean=(0.5,), std=(0.25,)), inside=True)[-1]
        'give the values as uint8, 0 to 255; the graph subtracts mean and divides by std'
    """
    height, width = preprocessing.size
    first = "convert to RGB" if preprocessing.channels == 3 else "convert to grey (ITU-R 601-2 luma)"
    if preprocessing.value_range is not None:
        low, high = preprocessing.value_range
        first = f"map the values {low:g} to {high:g} of images with more than 8 bits to 0 to 255; {first}"
    resized = {
        "exact": f"resize to {height} x {width} (height x width)",
        "crop": f"cut out the largest middle part of the shape {height} x {width} (height x width), keep {CROPPED:g} "
        f"of its height and width, and resize it to {height} x {width}",
        "pad": f"resize into {height} x {width} (height x width) with the shape kept, in the middle of a border with "
        "the colour mean",
    }
    last = "give the values as uint8, 0 to 255; the graph subtracts mean and divides by std"
    if not inside:
        last = "divide the values 0 to 255 by 255, subtract mean and divide by std, channel by channel, as float32"
    return [first, resized[preprocessing.resize] + ", bilinear with antialiasing", last]


def _provenance(loaded: Loaded) -> dict[str, Any]:
    network, metadata = loaded.record.network, loaded.metadata
    path = loaded.path.absolute()
    found = {
        "network": loaded.name,
        "network_options": network.options,
        "inserted_attention": loaded.record.attention,
        "run": f"{path.parent.name}/{path.name}",
        "seed": metadata.get("seed"),
        "imported": metadata.get("imported"),
        "weights_sha256": hash_file(path),
        "regard": __version__,
        "torch": str(torch.__version__),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {name: value for name, value in found.items() if value is not None}


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file's contents, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
