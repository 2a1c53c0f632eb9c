"""`clips:PATH` and `sound:PATH`: clips, sounds and series of sensors by their names on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from regard.core.errors import DataError
from regard.core.options import at_least, one_of
from regard.data import formats
from regard.data.account import Account
from regard.data.checking import Progress
from regard.data.clip_arrays import open_clip_arrays
from regard.data.clip_folder import open_clip_files, open_clip_folder
from regard.data.clip_preprocessing import FRAMES, SAMPLINGS, ClipPreprocessing, Sampling
from regard.data.clip_source import ClipHolding, assemble_clips, assemble_clips_to_score
from regard.data.clips import ClipKind, Clips, ClipSource
from regard.data.mel import Mel, MelScale
from regard.data.path_options import parse_path
from regard.data.sizing import FITS, Fit, parse_size
from regard.data.source import Opening

CLIPS = "clips"
SOUND = "sound"

OnBad = Literal["skip", "fail"]

_ARRAYS = (".npz", ".pt", ".pth")


@dataclass(frozen=True)
class ClipOptions:
    """Options behind the path of clips; for the first three see `ClipPreprocessing`.

    Attributes:
        frames: the most frames of a clip; by default 32 of videos and folders of frames, all of arrays; 0 is all.
        sampling: `uniform`, `random` or `dense`.
        stride: of dense sampling.
        size: of the network's frames, one number of pixels or HEIGHTxWIDTH.
        fit: `crop`, `pad` or `squeeze` of frames of another shape.
    """

    frames: int | None = None
    sampling: Sampling = "uniform"
    stride: int = 1
    size: int | str | None = None
    fit: Fit | None = None

    def __post_init__(self) -> None:
        if self.frames is not None:
            at_least(CLIPS, "frames", self.frames, 0)
        at_least(CLIPS, "stride", self.stride, 1)
        one_of(CLIPS, "sampling", self.sampling, SAMPLINGS)
        one_of(CLIPS, "fit", self.fit, (*FITS, None))
        parse_size(self.size)


@dataclass(frozen=True)
class SoundOptions:
    """Options behind the path of sounds; all but the last are those of `Mel`.

    Attributes:
        rate: samples a second, to which other sounds are resampled.
        bands: the number of mel bands.
        window: milliseconds of a frame.
        hop: milliseconds from one frame to the next.
        scale: `htk` or `slaney`.
        limit: a sound with more frames, or a series with more steps, is not used.
    """

    rate: int = 16_000
    bands: int = 64
    window: float = 25.0
    hop: float = 10.0
    scale: MelScale = "htk"
    limit: int = 10_000

    def __post_init__(self) -> None:
        at_least(SOUND, "limit", self.limit, 1)
        _ = self.mel

    @property
    def mel(self) -> Mel:
        """The settings of log-mel frames."""
        return Mel(self.rate, self.bands, self.window, self.hop, self.scale)


def open_clips(text: str, *, seed: int = 0, on_bad: OnBad = "skip", progress: Progress | None = None) -> ClipSource:
    """Opens clips with labels, in three splits.

    Args:
        text: `clips:PATH`, with options behind it as in `clips:PATH:frames=16,sampling=random`, see `ClipOptions`. The
            path is a folder with one folder a class, below train, val and test or cut into splits as for `folder:`,
            with videos or folders of frames inside; or an .npz or .pt file, see `open_clip_arrays`.
        seed: cuts the splits that the source does not have.
        on_bad: `skip` leaves out a clip that cannot be used and lists it in the account; `fail` raises an error.
        progress: called with the number of files checked so far and their total.

    Raises:
        DataError: the source cannot be used; the message has the reason and the remedy.
    """
    return assemble_clips(_hold_clips(text, seed, on_bad, progress, scoring=False), seed)


def open_sound(text: str, *, seed: int = 0, on_bad: OnBad = "skip", progress: Progress | None = None) -> ClipSource:
    """Opens sounds, or series of sensors, with labels, in three splits.

    Args:
        text: `sound:PATH`, with options behind it as in `sound:PATH:rate=8000,bands=40`, see `SoundOptions`. The path
            is a folder as for `open_clips` with .wav, .flac, .ogg or other files that soundfile reads; or an .npz or
            .pt file of series, see `open_clip_arrays`.
        seed: as for `open_clips`, as are `on_bad` and `progress`.
        on_bad: see there.
        progress: see there.

    Raises:
        DataError: the source cannot be used; the message has the reason and the remedy.
    """
    return assemble_clips(_hold_sound(text, seed, on_bad, progress, scoring=False, rate=None), seed)


def open_clips_to_score(
    text: str,
    known: Sequence[str],
    *,
    fingerprint: str | None = None,
    seed: int = 0,
    on_bad: OnBad = "skip",
    progress: Progress | None = None,
) -> ClipSource:
    """Opens all clips of a source, for a network trained on another one, without cutting splits.

    Args:
        text: as for `open_clips`.
        known: the classes of the network, in its order; those of the source are matched by name.
        fingerprint: of the source that the network was trained on; if this is the same one, it is opened as there.
        seed: of the splits there.
        on_bad: as for `open_clips`, as is `progress`.
        progress: see there.

    Raises:
        DataError: the source cannot be used, or has a class that the network does not know.
    """
    holding = _hold_clips(text, seed, on_bad, progress, scoring=True)
    return assemble_clips_to_score(holding, known, fingerprint=fingerprint, seed=seed)


def open_sound_to_score(
    text: str,
    known: Sequence[str],
    preprocessing: ClipPreprocessing,
    *,
    fingerprint: str | None = None,
    seed: int = 0,
    on_bad: OnBad = "skip",
    progress: Progress | None = None,
) -> ClipSource:
    """Opens all sounds of a source, for a network trained on another one; they are resampled to the network's rate.

    Args:
        text: as for `open_sound`.
        known: as for `open_clips_to_score`, as are the others.
        preprocessing: that of the network.
        fingerprint: see there.
        seed: see there.
        on_bad: see there.
        progress: see there.

    Raises:
        DataError: the source cannot be used, or has a class that the network does not know.
    """
    rate = None if preprocessing.mel is None else preprocessing.mel.rate
    holding = _hold_sound(text, seed, on_bad, progress, scoring=True, rate=rate)
    return assemble_clips_to_score(holding, known, fingerprint=fingerprint, seed=seed)


def open_clips_to_predict(
    paths: Sequence[str | Path], preprocessing: ClipPreprocessing, *, on_bad: OnBad = "skip"
) -> tuple[Clips, Account]:
    """Opens videos, folders of frames or sounds without classes, for a trained network.

    Args:
        paths: files, and folders in which they are searched for.
        preprocessing: that of the network.
        on_bad: as for `open_clips`.

    Returns:
        The clips, all with the label 0, and the account of every file.

    Raises:
        DataError: there is no such file, or none that can be used.
    """
    one_of("open_clips_to_predict", "on_bad", on_bad, ("skip", "fail"))
    sound = preprocessing.kind == "sound"
    if sound and preprocessing.mel is None:
        raise DataError("The network was trained on series of numbers, not on sounds: give it an .npz or .pt file.")
    opening = Opening(on_bad=on_bad, scoring=True, medium=formats.SOUND if sound else formats.CLIP)
    settings = {"mel": preprocessing.mel, "limit": SoundOptions.limit}
    channels = 3 if sound else preprocessing.channels
    return open_clip_files([Path(path).expanduser() for path in paths], settings, opening, channels=channels)


def _hold_clips(text: str, seed: int, on_bad: OnBad, progress: Progress | None, *, scoring: bool) -> ClipHolding:
    path, options = parse_path(text, CLIPS, ClipOptions, "clips:videos:frames=16")
    one_of("open_clips", "on_bad", on_bad, ("skip", "fail"))
    settings: dict[str, Any] = {
        "frames": options.frames,
        "sampling": options.sampling,
        "stride": options.stride,
        "size": options.size,
        "fit": options.fit,
    }
    if _holds_arrays(path, "clip"):
        return _hold_arrays(text, path, "clip", None, on_bad, settings, scoring=scoring)
    if options.frames is None:
        settings["frames"] = FRAMES
    opening = Opening(seed=seed, on_bad=on_bad, progress=progress, scoring=scoring, medium=formats.CLIP)
    return open_clip_folder(text.strip(), path, settings, opening)


def _hold_sound(
    text: str, seed: int, on_bad: OnBad, progress: Progress | None, *, scoring: bool, rate: int | None
) -> ClipHolding:
    path, options = parse_path(text, SOUND, SoundOptions, "sound:words:rate=16000")
    one_of("open_sound", "on_bad", on_bad, ("skip", "fail"))
    settings: dict[str, Any] = {"mel": options.mel, "limit": options.limit}
    if _holds_arrays(path, "sound"):
        return _hold_arrays(text, path, "sound", options.limit, on_bad, settings, scoring=scoring)
    if rate is not None:
        settings["mel"] = replace(options.mel, rate=rate)
    opening = Opening(seed=seed, on_bad=on_bad, progress=progress, scoring=scoring, medium=formats.SOUND)
    return open_clip_folder(text.strip(), path, settings, opening)


def _holds_arrays(path: Path, kind: ClipKind) -> bool:
    """True for a file of arrays, False for a folder."""
    scheme = CLIPS if kind == "clip" else SOUND
    if not path.exists():
        raise DataError(f"There is no file or folder {path}: write {scheme}: and the path of a folder or of arrays.")
    if path.is_dir():
        return False
    if path.suffix.lower() not in _ARRAYS:
        raise DataError(
            f"{path} is a single file: write {scheme}: and the path of a folder with one folder a class, or of an "
            ".npz or .pt file of arrays."
        )
    return True


def _hold_arrays(
    text: str,
    path: Path,
    kind: ClipKind,
    limit: int | None,
    on_bad: OnBad,
    settings: Mapping[str, Any],
    *,
    scoring: bool,
) -> ClipHolding:
    classes, parts, tally, notes = open_clip_arrays(path, kind, limit=limit, scoring=scoring)
    if tally.left_out and on_bad == "fail":
        raise DataError(f"{path}: {tally.left_out[0]}. Let it be left out with --on-bad skip (on_bad='skip').")
    return ClipHolding(text.strip(), kind, classes, parts, tally, options=settings, notes=notes)
