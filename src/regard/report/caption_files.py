"""The folder of an explained text about an image: a figure of each map, the weights and a manifest, put there whole."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from regard.core.files import as_bytes
from regard.report.caption_figure import StepMaps, steps_figure
from regard.report.explanation_files import FORMAT, MANIFEST, put_whole


@dataclass(frozen=True, eq=False, kw_only=True)
class CaptionContents:
    """The contents of the folder of one explained text.

    Attributes:
        network: the network's name.
        source: the image's file.
        image: (c, h, w) uint8, as the network saw it.
        answer: what the network wrote.
        maps: all of them, in the network's order.
        versions: of what made them.
    """

    network: str
    source: str
    image: Tensor
    answer: str
    maps: Sequence[StepMaps]
    versions: Mapping[str, str]


def save_captions(contents: CaptionContents, folder: Path) -> Path:
    """Writes into `folder`:

    - `NN_TAP_steps.png` for each map: the image under the map of each symbol;
    - `maps.npz`: each map as an array (t, h, w) under its name;
    - `manifest.json`: all files, the image, the text, its symbols, versions.

    Raises:
        RunError: a file of that name is there that is no explanation's, or the folder cannot be written to.
    """
    files: dict[str, bytes] = {}
    for number, steps in enumerate(contents.maps, 1):
        stem = f"{number:02d}_{re.sub(r'[^A-Za-z0-9._#-]+', '_', steps.name)}"
        title = f"{Path(contents.source).name} → {contents.answer}"
        files[f"{stem}_steps.png"] = steps_figure(steps, contents.image, title)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{steps.name: steps.weights for steps in contents.maps})  # type: ignore[arg-type]
    files["maps.npz"] = arrays.getvalue()
    files[MANIFEST] = as_bytes(json.dumps(_manifest(contents, list(files)), indent=1, ensure_ascii=False)) + b"\n"
    return put_whole(files, folder)


def _manifest(contents: CaptionContents, files: list[str]) -> dict[str, Any]:
    """Returns the manifest, in JSON's types."""
    return {
        "format": FORMAT,
        "network": contents.network,
        "image": contents.source,
        "answer": contents.answer,
        "maps": [
            {
                "name": steps.name,
                "shape": list(steps.weights.shape),
                "target": list(steps.target),
                "files": [file for file in files if file.startswith(f"{number:02d}_")],
            }
            for number, steps in enumerate(contents.maps, 1)
        ],
        "files": [*files, MANIFEST],
        "versions": dict(contents.versions),
    }
