"""The kinds of data, told by the scheme of a source's name."""

from typing import Literal

Kind = Literal["image", "text", "clip", "sound", "caption"]

_SCHEMES: dict[str, Kind] = {"tsv": "text", "clips": "clip", "sound": "sound", "captions": "caption"}


def kind_of(data: str | None) -> Kind:
    """The kind of the data that a source of this name holds; images where no other scheme is named.

    >>> kind_of("tsv:dates.tsv"), kind_of("folder:tsv"), kind_of("fashion-mini")
    ('text', 'image', 'image')
    """
    scheme, colon, _ = (data or "").strip().partition(":")
    return _SCHEMES.get(scheme, "image") if colon else "image"
