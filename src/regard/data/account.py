"""The account of everything in a source: used, left out with its reason, or not understood."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HIDDEN = "hidden: its name begins with a dot, or is __MACOSX"

_EXAMPLES = 3


def printable(name: str | os.PathLike[str]) -> str:
    r"""The name with bytes that are not UTF-8 written as `\x..`: a file name may be any bytes, a text may not.

    >>> print(printable("ca\udce9"))
    ca\xe9
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class LeftOut:
    """A file or image of a source that is not used, and why.

    Attributes:
        path: its file, or its name in its array or set; a folder that was not searched ends with a slash.
        reason: in the words of a sentence without its full stop.
        bad: True for an image that cannot be used, which `on_bad="fail"` makes an error; False for one that is not
            wanted.
    """

    path: str
    reason: str
    bad: bool = True

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class Tally:
    """A running account, while a source is opened.

    Attributes:
        found: the number of files or images.
        left_out: those that are not used.
        unknown: files that are no images by their names.
        unit: the unit of the counts, `file` or `image`.
        noun: the word for what is looked for.
    """

    found: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unit: str = "file"
    noun: str = "image"

    def add(self, other: "Tally") -> None:
        """Adds the counts of `other`."""
        self.found += other.found
        self.left_out += other.left_out
        self.unknown += other.unknown

    def leave_out(self, paths: Sequence[str], reason: str) -> None:
        """Records files that are not wanted."""
        self.left_out += [LeftOut(path, reason, bad=False) for path in paths]

    def settle(self, used: Mapping[str, int]) -> "Account":
        """Makes the final account, from the numbers of used images in each split."""
        return Account(self.found, dict(used), tuple(self.left_out), tuple(self.unknown), self.unit, self.noun)


@dataclass(frozen=True)
class Account:
    """Every file of a source, or every image in its arrays; the counts add up.

    Attributes:
        found: the number of files or images.
        used: the number that is used in each split.
        left_out: the others, each with its reason.
        unknown: files that are no images by their names.
        unit: the unit of the counts, `file` or `image`.
        noun: the word for what was looked for.
    """

    found: int
    used: Mapping[str, int]
    left_out: tuple[LeftOut, ...] = ()
    unknown: tuple[str, ...] = ()
    unit: str = "file"
    noun: str = "image"

    def __post_init__(self) -> None:
        counted = sum(self.used.values()) + len(self.left_out) + len(self.unknown)
        assert counted == self.found, f"{self.found} {self.unit}s were found, but {counted} are accounted for"

    @property
    def bad(self) -> tuple[LeftOut, ...]:
        """Images that cannot be used."""
        return tuple(entry for entry in self.left_out if entry.bad)

    @property
    def complete(self) -> bool:
        """True if everything is used except hidden files."""
        return not self.unknown and all(entry.reason == HIDDEN for entry in self.left_out)

    def reasons(self) -> dict[str, tuple[str, ...]]:
        """The unused files for each reason, including those not understood; the most frequent reason first."""
        found: dict[str, list[str]] = {}
        for entry in self.left_out:
            found.setdefault(f"left out, {entry.reason}", []).append(entry.path)
        if self.unknown:
            article = "an" if self.noun[0] in "aeiou" else "a"
            found[f"not understood, as the name is not that of {article} {self.noun}"] = list(self.unknown)
        return {reason: tuple(paths) for reason, paths in sorted(found.items(), key=lambda pair: -len(pair[1]))}

    def lines(self, most: int | None = None) -> Iterator[str]:
        """Yields the counts, then a line for each reason, of at most `most` reasons."""
        splits = ", ".join(f"{split} {count:,}" for split, count in self.used.items())
        yield (
            f"{self.found:,} {self.unit}{'s' * (self.found != 1)}: {sum(self.used.values()):,} used ({splits}), "
            f"{len(self.left_out):,} left out, {len(self.unknown):,} not understood"
        )
        reasons = list(self.reasons().items())
        shown = len(reasons) if most is None else most
        for reason, paths in reasons[:shown]:
            yield f"  {len(paths):,} {reason}: {', '.join(paths[:_EXAMPLES])}{', ...' * (len(paths) > _EXAMPLES)}"
        if len(reasons) > shown:
            yield f"  and {len(reasons) - shown} more reasons"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_json(self) -> dict[str, Any]:
        """Converts the account to lists, numbers and strings."""
        return {
            "unit": self.unit,
            "found": self.found,
            "used": dict(self.used),
            "left_out": [{"path": e.path, "reason": e.reason, "bad": e.bad} for e in self.left_out],
            "not_understood": list(self.unknown),
        }
