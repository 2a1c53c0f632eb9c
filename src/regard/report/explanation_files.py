"""The folder of an explanation: figures, arrays and a manifest, written completely or not at all."""

import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from regard.core.errors import RunError
from regard.core.files import as_bytes
from regard.report.explanation_drawing import MapView
from regard.report.explanation_figures import channels_figure, positions_figure
from regard.report.explanation_sheet import summary_figure
from regard.report.glimpse_figure import GlimpsePath, glimpses_figure
from regard.report.overlays import enlarge

MANIFEST = "manifest.json"
FORMAT = "regard explanation 1"
MOST_ANSWERS = 5
"""The number of the likeliest classes on the sheet."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Contents:
    """An explanation of one network on one image, to be drawn and saved.

    Attributes:
        network: the network's name.
        source: the image's file, or the form in which it was given.
        image: (c, h, w) uint8, the input of the network.
        answers: classes with their probabilities, the likeliest first; may be empty.
        maps: all maps, in the network's order.
        versions: of the packages that made them.
        glimpses: the path of the glimpses, of a network that has them.
    """

    network: str
    source: str
    image: Tensor
    answers: Sequence[tuple[str, float]]
    maps: Sequence[MapView]
    versions: Mapping[str, str]
    glimpses: GlimpsePath | None = None


def save_explanation(explanation: Contents, folder: Path) -> Path:
    """Writes into `folder`:

    - `summary.png`: the image, the answer and all maps on one sheet;
    - `NN_TAP_positions.png` for each map of positions: the image, the overlay, the map with its scale;
    - `NN_TAP_channels.png` for each map of channels: all weights, and the features of the most active channels;
    - `glimpses.png` if the network has glimpses: their path, their content, the classes after each;
    - `maps.npz`: every map as an array under its name, without the batch axis;
    - `manifest.json`: all files, maps with kind, shape and range, the answer, versions.

    Everything is written to a temporary folder first and then moved, the manifest last. Other files in the folder stay;
    those of an earlier explanation, which its manifest names, are replaced.

    Raises:
        RunError: a file of that name belongs to no explanation, or the folder cannot be written to.
    """
    contents = _draw(explanation)
    contents[MANIFEST] = as_bytes(json.dumps(_manifest(explanation, contents), indent=1, ensure_ascii=False)) + b"\n"
    return put_whole(contents, folder)


def put_whole(contents: dict[str, bytes], folder: Path) -> Path:
    """Puts the files of an explanation into a folder; those of an earlier one, which its manifest names, are replaced.

    Raises:
        RunError: a file of that name belongs to no explanation, or the folder cannot be written to.
    """
    earlier = _earlier_files(folder)
    foreign = sorted(name for name in contents if name not in earlier and (folder / name).exists())
    if foreign:
        raise RunError(
            f"{folder} has files that belong to no explanation and would be overwritten ({', '.join(foreign)}): choose "
            "another folder, or move them away."
        )
    try:
        _put(contents, earlier, folder)
    except OSError as error:
        raise RunError(
            f"The explanation could not be written to {folder} ({error.strerror or error}): make room or choose "
            "another folder, then do it again."
        ) from error
    return folder


def _draw(explanation: Contents) -> dict[str, bytes]:
    image = enlarge(explanation.image)
    title = f"{explanation.network} on {Path(explanation.source).name}"
    contents = {"summary.png": summary_figure(title, image, explanation.answers[:MOST_ANSWERS], explanation.maps)}
    for number, view in enumerate(explanation.maps, 1):
        stem = f"{number:02d}_{re.sub(r'[^A-Za-z0-9._#-]+', '_', view.name)}"
        if view.laid is not None:
            contents[f"{stem}_positions.png"] = positions_figure(view, image)
        if view.active is not None:
            contents[f"{stem}_channels.png"] = channels_figure(view)
    if explanation.glimpses is not None:
        height, width = explanation.image.shape[1:]
        contents["glimpses.png"] = glimpses_figure(explanation.glimpses, image, (height, width))
    arrays = io.BytesIO()
    with zipfile.ZipFile(arrays, "w", zipfile.ZIP_DEFLATED) as archive:
        for view in explanation.maps:
            with archive.open(f"{view.name}.npy", "w") as file:
                np.lib.format.write_array(file, view.map.values[0].numpy())
    contents["maps.npz"] = arrays.getvalue()
    return contents


def _manifest(explanation: Contents, contents: dict[str, bytes]) -> dict[str, Any]:
    """The folder's contents, in JSON's types."""
    maps = []
    for number, view in enumerate(explanation.maps, 1):
        attention_map = view.map
        maps.append(
            {
                "name": view.name,
                "kind": attention_map.kind.name,
                "shape": list(attention_map.values.shape[1:]),
                "smallest": float(attention_map.values.min()),
                "largest": float(attention_map.values.max()),
                "mean": float(attention_map.values.mean()),
                "neutral": attention_map.neutral if np.isfinite(attention_map.neutral) else None,
                "range": [end if np.isfinite(end) else None for end in (view.low, view.high)],
                "files": [file for file in contents if file.startswith(f"{number:02d}_")],
            }
        )
    return {
        "format": FORMAT,
        "network": explanation.network,
        "image": explanation.source,
        "size": list(explanation.image.shape[1:]),
        "answers": [{"class": name, "probability": p} for name, p in explanation.answers],
        "maps": maps,
        "files": [*contents, MANIFEST],
        "versions": dict(explanation.versions),
    }


def _earlier_files(folder: Path) -> tuple[str, ...]:
    """The files of an explanation that is already in the folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return ()
    return tuple(name for name in manifest.get("files", ()) if isinstance(name, str) and Path(name).name == name)


def _put(contents: dict[str, bytes], earlier: tuple[str, ...], folder: Path) -> None:
    """Writes all files to a temporary folder on the same disk, then moves them; a failed write changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".explanation."))
    try:
        for name, content in contents.items():
            with (aside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in contents:
            (aside / name).replace(folder / name)
        for name in set(earlier) - set(contents):
            (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
