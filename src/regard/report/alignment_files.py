"""The folder of an explained text: a figure of each alignment, the weights and a manifest, put in place whole."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regard.core.files import as_bytes
from regard.report.alignment_figure import Alignment, alignment_figure
from regard.report.explanation_files import FORMAT, MANIFEST, put_whole


@dataclass(frozen=True, eq=False, kw_only=True)
class TextContents:
    """The contents of the folder of one explained text.

    Attributes:
        network: the network's name.
        text: as it was given.
        answer: what the network wrote.
        alignments: all of them, in the network's order.
        versions: of what made them.
    """

    network: str
    text: str
    answer: str
    alignments: Sequence[Alignment]
    versions: Mapping[str, str]


def save_alignments(contents: TextContents, folder: Path) -> Path:
    """Writes into `folder`:

    - `NN_TAP_alignment.png` for each map: symbols of the source and of the answer on its axes;
    - `maps.npz`: each map as an array (t, s) under its name;
    - `manifest.json`: all files, the text, the answer, their symbols, versions.

    Raises:
        RunError: a file of that name is there that is no explanation's, or the folder cannot be written to.
    """
    files: dict[str, bytes] = {}
    for number, alignment in enumerate(contents.alignments, 1):
        stem = f"{number:02d}_{re.sub(r'[^A-Za-z0-9._#-]+', '_', alignment.name)}"
        title = f"{contents.text} → {contents.answer}"
        files[f"{stem}_alignment.png"] = alignment_figure(alignment, title)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{alignment.name: alignment.weights for alignment in contents.alignments})  # type: ignore[arg-type]
    files["maps.npz"] = arrays.getvalue()
    files[MANIFEST] = as_bytes(json.dumps(_manifest(contents, list(files)), indent=1, ensure_ascii=False)) + b"\n"
    return put_whole(files, folder)


def _manifest(contents: TextContents, files: list[str]) -> dict[str, Any]:
    """Returns the manifest, in JSON's types."""
    return {
        "format": FORMAT,
        "network": contents.network,
        "text": contents.text,
        "answer": contents.answer,
        "maps": [
            {
                "name": alignment.name,
                "shape": list(alignment.weights.shape),
                "source": list(alignment.source),
                "target": list(alignment.target),
                "files": [file for file in files if file.startswith(f"{number:02d}_")],
            }
            for number, alignment in enumerate(contents.alignments, 1)
        ],
        "files": [*files, MANIFEST],
        "versions": dict(contents.versions),
    }
