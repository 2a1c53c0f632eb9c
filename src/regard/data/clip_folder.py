"""A folder with one folder a class, with videos, folders of frames, or sounds inside."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from regard.core.errors import DataError
from regard.data.account import Account, LeftOut, Tally, printable
from regard.data.checking import check_images
from regard.data.clip_checking import BadClipError, Checked, check_files
from regard.data.clip_files import ClipFile, FileClips, FileSounds, resampled
from regard.data.clip_source import ClipHolding
from regard.data.clips import Clips
from regard.data.folder import class_names, expect_files, list_files
from regard.data.formats import SOUND, is_image, is_video
from regard.data.layout import decide
from regard.data.listing import FolderListing, find_images, image_folder, warn_of_ignored
from regard.data.mel import Mel
from regard.data.sound import check_sound, soundfile
from regard.data.source import Opening, Split
from regard.data.video import check_video, pyav

_NO_CLIP = "it lies directly in a class folder: the frames of a clip have a folder of their own"
_OTHER_FRAME = "it is a frame of a clip with another frame that cannot be used"

Settings = Mapping[str, Any]


class _Clip(NamedTuple):
    """A clip or sound that was found: its files below the root, its split and its class."""

    files: tuple[str, ...]
    split: Split | None
    label: str


class _Usable(NamedTuple):
    """A clip or sound that was checked."""

    file: ClipFile
    split: Split | None
    label: str
    grey: bool


def open_clip_folder(name: str, path: Path, settings: Settings, opening: Opening) -> ClipHolding:
    """Opens the videos and folders of frames, or the sounds, in a folder.

    Splits and classes are those of `folder:` of images: a folder a class, below train, val and test or by itself. A
    video or sound may lie at any depth in its class's folder. All images in one folder are the frames of one clip, in
    the order of the numbers in their names.

    Args:
        name: the name by which it was opened.
        path: the folder.
        settings: the options in its name; those of sounds have `mel` and `limit`.
        opening: its medium is `CLIP` or `SOUND`.

    Raises:
        DataError: the folder, a split or a class is missing or empty.
        BadClipError: a clip cannot be used, and `opening.on_bad` is `fail`.
    """
    medium = opening.medium
    root = image_folder(str(path), medium)
    layout = decide(root, "auto", None, scoring=opening.scoring, medium=medium)
    listed = list_files(root, layout, opening)
    classes = class_names(root, layout, listed, opening)
    if not opening.scoring:
        expect_files(root, listed, medium)
    tally = listed.tally
    found: dict[tuple[object, ...], list[str]] = {}
    for entry in listed.entries:
        file = entry.path.relative_to(root).as_posix()
        is_frame = medium is not SOUND and not is_video(file)
        if is_frame and not entry.below:
            tally.leave_out([printable(entry.path)], _NO_CLIP)
            continue
        key = (entry.split, entry.label, entry.path.parent if is_frame else entry.path, is_frame)
        found.setdefault(key, []).append(file)
    clips = [_Clip(tuple(sorted(files, key=_natural)), key[0], str(key[1])) for key, files in found.items()]  # type: ignore[arg-type]
    usable = (
        _check_sounds(root, clips, settings, opening, tally)
        if medium is SOUND
        else _check_clips(root, clips, settings, opening, tally)
    )
    _refuse_bad(tally, opening)
    parts: dict[Split, Clips] = {}
    for split in layout.splits:
        chosen = [one for one in usable if one.split == split]
        parts[split or "train"] = _make(root, chosen, classes, usable, settings, sound=medium is SOUND)
    uneven = sum(bool(one.file.shown) for one in usable)
    have = "videos have" if uneven > 1 else "video has"
    notes = (f"{uneven} {have} a variable frame rate: the frames are taken evenly in time.",)
    return ClipHolding(
        name,
        "sound" if medium is SOUND else "clip",
        classes,
        parts,
        tally,
        own_splits=None not in layout.splits,
        options=settings,
        warnings=warn_of_ignored(tally.unknown, root, medium.noun),
        notes=(*layout.notes, *listed.notes, *(notes if uneven else ())),
    )


def _make(
    root: Path,
    chosen: Sequence[_Usable],
    classes: tuple[str, ...],
    every: Sequence[_Usable],
    settings: Settings,
    *,
    sound: bool,
) -> Clips:
    """The clips of one split; they are grey if those of all splits are."""
    labels = torch.tensor([classes.index(one.label) for one in chosen], dtype=torch.int64)
    files = [one.file for one in chosen]
    if sound:
        return FileSounds(root, files, labels, rate=settings["mel"].rate)
    return FileClips(root, files, labels, channels=1 if every and all(one.grey for one in every) else 3)


def _check_sounds(
    root: Path, sounds: Sequence[_Clip], settings: Settings, opening: Opening, tally: Tally
) -> list[_Usable]:
    """Reads every sound; those that are broken or over the limit go into the tally."""
    mel: Mel = settings["mel"]
    files = [one.files[0] for one in sounds]
    reader = f"soundfile {soundfile().__version__}" if files else ""
    usable = []
    for one, checked in zip(sounds, check_files(root, files, check_sound, reader, opening.progress), strict=True):
        name, reason = one.files[0], checked.reason
        file = ClipFile(name, checked.length, 0, 0, checked.digest, rate=checked.rate)
        if reason is None and (frames := mel.frames(resampled(file, mel.rate))) > settings["limit"]:
            reason = f"it has {frames:,} frames of {mel.hop:g} ms, over the limit of {settings['limit']:,} (limit=)"
        if reason is not None:
            tally.left_out.append(LeftOut(printable(root / name), reason))
        else:
            usable.append(_Usable(file, one.split, one.label, grey=True))
    return usable


def _check_clips(root: Path, clips: Sequence[_Clip], _: Settings, opening: Opening, tally: Tally) -> list[_Usable]:
    """Decodes every video and frame; clips that cannot be used go into the tally."""
    videos = [clip.files[0] for clip in clips if is_video(clip.files[0])]
    frames = [file for clip in clips if not is_video(clip.files[0]) for file in clip.files]
    reader = f"av {pyav().__version__}" if videos else ""
    seen: dict[str, Checked] = dict(
        zip(videos, check_files(root, videos, check_video, reader, opening.progress), strict=True)
    )
    images = dict(
        zip(frames, check_images(root, frames, max_pixels=opening.max_pixels, progress=opening.progress), strict=True)
    )
    usable = []
    for clip in clips:
        name = clip.files[0]
        if name in seen:
            video = seen[name]
            if video.reason is not None:
                tally.left_out.append(LeftOut(printable(root / name), video.reason))
                continue
            file = ClipFile(name, video.length, video.height, video.width, video.digest, shown=video.shown)
            usable.append(_Usable(file, clip.split, clip.label, grey=False))
            continue
        checked = [images[file] for file in clip.files]
        shape = (checked[0].height, checked[0].width)
        reasons = [
            one.reason
            or (
                None
                if (one.height, one.width) == shape
                else f"it is {one.height} x {one.width}, the first frame of its clip {shape[0]} x {shape[1]}"
            )
            for one in checked
        ]
        if any(reasons):
            for file_name, reason in zip(clip.files, reasons, strict=True):
                path = printable(root / file_name)
                tally.left_out.append(LeftOut(path, reason or _OTHER_FRAME, bad=reason is not None))
            continue
        digest = hashlib.blake2b("".join(one.digest for one in checked).encode(), digest_size=16).hexdigest()
        folder = Path(name).parent.as_posix()
        file = ClipFile(folder, len(checked), *shape, digest, frames=clip.files)
        usable.append(_Usable(file, clip.split, clip.label, grey=all(one.grey for one in checked)))
    return usable


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which frame 10 is after frame 9.

    >>> sorted(["a10.png", "a9.png"], key=_natural)
    ['a9.png', 'a10.png']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def open_clip_files(
    paths: Sequence[Path], settings: Settings, opening: Opening, *, channels: int = 3
) -> tuple[Clips, Account]:
    """Opens videos, folders of frames or sounds without classes, in the order of their paths.

    Args:
        paths: files, and folders in which they are searched for; all images in one folder are the frames of one clip.
        settings: of sounds `mel` and `limit`.
        opening: its medium is `CLIP` or `SOUND`.
        channels: those of the frames.

    Raises:
        DataError: no such file or folder, or nothing in them that can be used.
        BadClipError: a clip cannot be used, and `opening.on_bad` is `fail`.
    """
    medium, tally = opening.medium, Tally(noun=opening.medium.noun)
    found: dict[Path, list[str]] = {}
    for path in paths:
        if not path.exists():
            raise DataError(f"There is no file or folder {path}: name {medium.noun}s.")
        if path.is_file() and (not medium.wanted(path.name) or is_image(path.name)):
            single = (
                "a single image: name the folder of the clip's frames" if is_image(path.name) else f"no {medium.noun}"
            )
            raise DataError(f"{path} is {single}; {medium.noun}s are files such as {medium.formats}.")
        walked = find_images(path, medium=medium) if path.is_dir() else FolderListing([path], Tally(1))
        tally.add(walked.tally)
        for file in walked.images:
            key = file.parent if is_image(file.name) and medium is not SOUND else file
            if file.as_posix() not in found.setdefault(key, []):
                found[key].append(file.as_posix())
            else:
                tally.found -= 1
    clips = [_Clip(tuple(sorted(files, key=_natural)), None, "") for files in found.values()]
    here = Path()
    check = _check_sounds if medium is SOUND else _check_clips
    usable = check(here, clips, settings, opening, tally)
    _refuse_bad(tally, opening)
    if not usable:
        bad = next((f": {entry}" for entry in tally.left_out if entry.bad), "")
        raise DataError(f"There is no {medium.noun} that can be used in {', '.join(map(str, paths))}{bad}.")
    made = _make(here, usable, ("",), usable, settings, sound=medium is SOUND)
    if isinstance(made, FileClips):
        made.channels = channels
    return made, tally.settle({"all": made.files()})


def _refuse_bad(tally: Tally, opening: Opening) -> None:
    """Raises an error that names the first clip that cannot be used, if `opening.on_bad` is `fail`."""
    bad = [entry for entry in tally.left_out if entry.bad]
    if bad and opening.on_bad == "fail":
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise BadClipError(
            f"The {opening.medium.noun} {bad[0].path} cannot be used: {bad[0].reason}{more}. Repair or remove it, or "
            "let it be left out with --on-bad skip (on_bad='skip').",
            bad[0].reason,
        )
