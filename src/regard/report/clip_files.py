"""The folder of an explained clip or sound: figures, arrays and a manifest, put in place whole."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from regard.core.files import as_bytes
from regard.report.clip_figure import Weights, clip_sheet, sound_curve
from regard.report.explanation_files import FORMAT, MANIFEST, put_whole

T = TypeVar("T")


@dataclass(frozen=True, eq=False, kw_only=True)
class ClipContents:
    """The contents of the folder of one explained clip or sound.

    Attributes:
        network: the network's name.
        clip: its name in its source.
        answers: the classes with their probabilities, the most likely first.
        inputs: the network's input to be shown: (c, t, h, w) uint8, or (c, t) of a sound or series.
        numbers: the numbers of the frames in the whole clip.
        weights: (n, t) of each map of frames, by its name.
        spatial: (t, h, w) of each map of the positions of frames, by its name.
        seconds: from frame to frame of a sound; None otherwise.
        versions: of what made them.
    """

    network: str
    clip: str
    answers: Sequence[tuple[str, float]]
    inputs: Tensor
    numbers: Sequence[int]
    weights: Mapping[str, Weights]
    spatial: Mapping[str, Tensor]
    seconds: float | None
    versions: Mapping[str, str]

    @property
    def title(self) -> str:
        """The clip, the answer and its probability."""
        name, probability = self.answers[0]
        return f"{self.clip}: {name}, {100 * probability:.1f} %"


def save_clip(contents: ClipContents, folder: Path) -> Path:
    """Writes into `folder`:

    - `NN_TAP_frames.png` for each map: of a clip its frames with their weights and maps of positions, of a sound its
      frames as an image with the weights below;
    - `maps.npz`: each map as an array under its name;
    - `manifest.json`: all files, the clip, the answers, versions.

    Raises:
        RunError: a file of that name is there that is no explanation's, or the folder cannot be written to.
    """
    files: dict[str, bytes] = {}
    for number, name in enumerate((*contents.weights, *contents.spatial), 1):
        files[f"{number:02d}_{re.sub(r'[^A-Za-z0-9._#-]+', '_', name)}_frames.png"] = _figure(contents, name)
    arrays = io.BytesIO()
    maps = dict(contents.weights) | {name: values.numpy() for name, values in contents.spatial.items()}
    np.savez_compressed(arrays, **maps)
    files["maps.npz"] = arrays.getvalue()
    files[MANIFEST] = as_bytes(json.dumps(_manifest(contents, list(files)), indent=1, ensure_ascii=False)) + b"\n"
    return put_whole(files, folder)


def _figure(contents: ClipContents, name: str) -> bytes:
    """The figure of one map; a map of positions shows weights of frames too, and the other way round."""
    weights = contents.weights.get(name, _last(contents.weights))
    if contents.inputs.ndim == 2:
        return sound_curve(contents.title, name, contents.inputs, contents.weights[name], seconds=contents.seconds)
    if weights is not None and weights.shape[1] != contents.inputs.shape[1]:
        weights = None
    spatial = contents.spatial.get(name, _last(contents.spatial))
    return clip_sheet(contents.title, name, contents.inputs, numbers=contents.numbers, weights=weights, spatial=spatial)


def _last(maps: Mapping[str, T]) -> T | None:
    """The map that is nearest to the answer."""
    return list(maps.values())[-1] if maps else None


def _manifest(contents: ClipContents, files: list[str]) -> dict[str, Any]:
    """Returns the manifest, in JSON's types."""
    shapes = {name: values.shape for name, values in contents.weights.items()}
    shapes |= {name: tuple(values.shape) for name, values in contents.spatial.items()}
    return {
        "format": FORMAT,
        "network": contents.network,
        "clip": contents.clip,
        "frames": list(contents.numbers),
        "answers": [{"class": name, "probability": p} for name, p in contents.answers],
        "maps": [
            {
                "name": name,
                "shape": list(shape),
                "files": [file for file in files if file.startswith(f"{number:02d}_")],
            }
            for number, (name, shape) in enumerate(shapes.items(), 1)
        ],
        "files": [*files, MANIFEST],
        "versions": dict(contents.versions),
    }
