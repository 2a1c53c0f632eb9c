"""The image files that a command gets by name or by folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from regard.core.errors import DataError
from regard.data import BadImageError, Preprocessing, unlike_warnings
from regard.data.account import Tally, printable
from regard.data.listing import FolderListing, find_images
from regard.data.reading import allow_large_images, is_deep, open_image, upright_size
from regard.recipes.console import say
from regard.recipes.run_folder import SETTINGS, WEIGHTS


def image_files(command: str, images: Sequence[str], on_bad: Literal["skip", "fail"]) -> tuple[list[Path], Tally]:
    """Returns the image files, those in folders included, each once, and an account of all files found.

    Args:
        command: name of the command, for messages.
        images: files and folders.
        on_bad: leave out images in a format that cannot be read, or stop.

    Raises:
        DataError: no such file or folder, a folder without images, or a training run in place of images.
    """
    files: dict[Path, None] = {}
    tally = Tally()
    for text in images:
        path = Path(text).expanduser()
        if not path.exists():
            raise DataError(f"{command}: there is no file or folder {text}.")
        if path.suffix == Path(WEIGHTS).suffix or any((path / name).is_file() for name in (SETTINGS, WEIGHTS)):
            raise DataError(f"{command}: {text} is a trained network, not images: name it with --run {text}.")
        walked = find_images(path) if path.is_dir() else FolderListing([path], Tally(1))
        bad = next((entry for entry in walked.tally.left_out if entry.bad), None)
        if not walked.images:
            reason = f" that can be read; the first: {bad}" if bad else ""
            raise DataError(
                f"{command}: the folder {text} contains no image{reason}: name image files, or another folder."
            )
        tally.add(walked.tally)
        tally.found -= len(files.keys() & set(walked.images))
        files |= dict.fromkeys(walked.images)
    if not files:
        raise DataError(f"{command}: name the images: files, or folders of them.")
    if on_bad == "fail" and (faults := [entry for entry in tally.left_out if entry.bad]):
        raise DataError(f"{command}: {faults[0]}. Leave it out with --on-bad skip, or remove it.")
    return list(files), tally


def warn_of_unlike(files: Sequence[Path], preprocessing: Preprocessing) -> None:
    """Warns of images that preprocessing changes more than expected; those that cannot be read are ignored."""
    sizes, deep = [], []
    with allow_large_images():
        for path in files:
            try:
                with open_image(path) as image:
                    sizes.append(upright_size(image))
                    if is_deep(image):
                        deep.append(printable(path))
            except BadImageError:
                continue
    for warning in unlike_warnings(torch.tensor(sizes).reshape(-1, 2), deep, preprocessing):
        say(f"warning: {warning}", style="yellow")
