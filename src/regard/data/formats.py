"""Recognition of image files by name, and messages for formats that regard does not read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ts", ".3gp", ".ogv")
SOUNDS = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
    ".w64",
)
_OTHER_SOUNDS = (".m4a", ".aac", ".wma", ".amr", ".mid", ".midi")

_ONLY_NAMED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats that Pillow knows but that need another program, or are no still images."""

_PACKAGE = {"HEIC": "pillow-heif", "JPEG XL": "pillow-jxl-plugin"}

_KINDS = {
    "HEIC": (".heic", ".heif", ".hif"),
    "JPEG XL": (".jxl",),
    "a raw file of a camera": (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"),
    "DICOM": (".dcm", ".dicom"),
    "NIfTI": (".nii", ".nii.gz"),
    "a drawing of vectors": (".svg", ".eps", ".ai", ".wmf", ".emf"),
    "a PDF document": (".pdf",),
    "an array": (".npy", ".npz", ".mat", ".h5", ".hdf5"),
    "a video": VIDEOS,
    "a slide of a microscope": (".svs", ".ndpi", ".mrxs", ".czi", ".lif", ".nd2"),
    "floating-point colour": (".exr", ".hdr"),
}
"""Formats that regard does not read by itself, with their file extensions."""


@cache
def extensions() -> tuple[str, ...]:
    """The file extensions of readable images, in lower case."""
    if find_spec("pillow_heif") is not None:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]

        pillow_heif.register_heif_opener()
    Image.init()
    read = {e for e, f in Image.registered_extensions().items() if f in Image.OPEN and f not in _ONLY_NAMED}
    return tuple(sorted(read))


def is_image(name: str) -> bool:
    """Returns True if a file of this name is treated as an image.

    >>> is_image("IMG_1.JPG"), is_image("IMG_1.HEIF.txt")
    (True, False)
    """
    return name.lower().endswith(extensions())


def describe_foreign(name: str) -> str | None:
    """Describes a file of this name, with a remedy, if it is an image that regard does not read; else None.

    >>> describe_foreign("scan.dcm")
    'it is DICOM, which regard does not read: convert it to PNG or TIFF'
    """
    for kind, endings in _KINDS.items():
        if name.lower().endswith(endings):
            return _unread(kind)
    return None


def describe_foreign_content(start: bytes) -> str | None:
    """The same by the first bytes of a file, whatever its name."""
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"):
        return _unread("HEIC")
    if start.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")):
        return _unread("JPEG XL")
    return _unread("DICOM") if start[128:132] == b"DICM" else None


def is_clip(name: str) -> bool:
    """Returns True if a file of this name is treated as a video, or as a frame in a folder of frames.

    >>> is_clip("a.MP4"), is_clip("0001.png"), is_clip("a.wav")
    (True, True, False)
    """
    return is_video(name) or is_image(name)


def is_video(name: str) -> bool:
    """Returns True if a file of this name is treated as a video."""
    return name.lower().endswith(VIDEOS)


def is_sound(name: str) -> bool:
    """Returns True if a file of this name is treated as a sound."""
    return name.lower().endswith(SOUNDS)


def describe_foreign_sound(name: str) -> str | None:
    """Describes a file of this name, with a remedy, if it is a sound that regard does not read; else None."""
    if name.lower().endswith(_OTHER_SOUNDS):
        return "it is a sound in a format that soundfile does not read: convert it to .wav or .flac"
    return None


def read_start(path: Path) -> bytes:
    """Reads the first bytes of a file, enough to recognise its format; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(132)
    except OSError:
        return b""


def _unread(kind: str) -> str:
    package = f"install {_PACKAGE[kind]}, or " if kind in _PACKAGE else ""
    return f"it is {kind}, which {'Pillow alone' if package else 'regard'} does not read: {package}convert it to " + (
        "JPEG" if package else "PNG or TIFF"
    )


@dataclass(frozen=True)
class Medium:
    """A kind of files with labels, for finding them in folders and for messages.

    Attributes:
        noun: the word for one example.
        scheme: the word before the colon in the name of a folder of them.
        wanted: returns True for the name of such a file.
        describe: describes a file of this name that cannot be read, with a remedy; None for any other.
        formats: usual formats, for messages.
    """

    noun: str
    scheme: str
    wanted: Callable[[str], bool]
    describe: Callable[[str], str | None]
    formats: str


IMAGE = Medium("image", "folder", is_image, describe_foreign, "JPEG or PNG")
CLIP = Medium("clip", "clips", is_clip, describe_foreign, "MP4, or folders of frames")
SOUND = Medium("sound", "sound", is_sound, describe_foreign_sound, "WAV or FLAC")
