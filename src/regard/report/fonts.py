"""Fonts for the letters in figures, and a spelling for letters that no installed font has."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

USUAL = "DejaVu Sans"
"""The font that comes with matplotlib."""

_WIDE = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK TC", "Noto Sans SC", "Noto Sans JP"),
    *("Source Han Sans SC", "Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans", "Yu Gothic", "IPAGothic", "Malgun Gothic"),
    *("NanumGothic", "Noto Sans Devanagari", "Noto Sans Thai", "Unifont", "Arial Unicode MS"),
)
"""Fonts with many letters; those that are installed are used."""


@dataclass(frozen=True)
class Lettering:
    """Fonts for some texts.

    Attributes:
        families: fonts, each for the letters that those before it lack.
        missing: letters that none of them has.
    """

    families: tuple[str, ...] = (USUAL,)
    missing: frozenset[str] = frozenset()

    def write(self, text: str) -> str:
        """Spells out every missing letter of the text."""
        if not self.missing & set(text):
            return text
        return "".join(_spell(letter) if letter in self.missing else letter for letter in text).strip()

    @property
    def remark(self) -> str:
        """A remark on letters that could not be drawn; empty if all could."""
        if not self.missing:
            return ""
        return f"No font here has {len(self.missing)} of the letters: they are spelt out (Noto Sans CJK has most)."


def lettering_for(texts: Iterable[str]) -> Lettering:
    """The fonts that are needed to draw the texts."""
    missing = {letter for text in texts for letter in text if letter.isprintable() and not letter.isspace()}
    families: list[str] = []
    for family, path in _installed_fonts():
        if has := {letter for letter in missing if _has_letter(path, letter)}:
            missing -= has
            families.append(family)
        if not missing:
            break
    return Lettering((USUAL, *(f for f in families if f != USUAL)), frozenset(missing))


@cache
def _installed_fonts() -> tuple[tuple[str, str], ...]:
    """Name and file of the usual font and of those with many letters."""
    from matplotlib.font_manager import fontManager

    known = {entry.name: entry.fname for entry in reversed(fontManager.ttflist)}
    return tuple((name, known[name]) for name in (USUAL, *_WIDE) if name in known)


def _has_letter(path: str, letter: str) -> bool:
    from matplotlib.font_manager import get_font

    return bool(get_font(path).get_char_index(ord(letter)))


def _spell(letter: str) -> str:
    """The sound of a letter of an alphabet or syllabary, by its Unicode name; else its number.

    >>> _spell("ね"), _spell("고"), _spell("猫")
    ('ne', 'go', '[U+732B]')
    """
    name = unicodedata.name(letter, "")
    for kind in ("HIRAGANA LETTER ", "KATAKANA LETTER ", "HANGUL SYLLABLE ", "THAI CHARACTER ", "DEVANAGARI LETTER "):
        if name.startswith(kind):
            return name.removeprefix(kind).removeprefix("SMALL ").lower().replace(" ", "-")
    return f"[U+{ord(letter):04X}]"
