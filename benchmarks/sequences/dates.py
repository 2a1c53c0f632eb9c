"""Dates as people write them in many languages, with the same date as ISO 8601 writes it: made by Babel."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

LOCALES = (
    "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "sv_SE", "da_DK", "nb_NO", "fi_FI",
    "pl_PL", "cs_CZ", "sk_SK", "hu_HU", "ro_RO", "tr_TR", "el_GR", "ru_RU", "uk_UA", "bg_BG", "hr_HR", "et_EE",
)  # fmt: skip
WRITTEN_OUT = ("medium", "long", "full")
FIRST, LAST = date(1950, 1, 1), date(2049, 12, 31)


def dates(
    count: int, *, seed: int = 0, locales: Sequence[str] = LOCALES, formats: Sequence[str] = (*WRITTEN_OUT, "short")
) -> list[tuple[str, str]]:
    """Random dates: as a random locale writes it in a random format, and as ISO 8601 does.

    A short date such as 3/4/21 says different things in different places, so its locale comes before it. All years are
    from 1950 to 2049, as two digits stand for one of those. Every source is there once.

    Args:
        count: how many.
        seed: decides all of them.
        locales: to choose from.
        formats: to choose from, of Babel's short, medium, long and full.
    """
    rng, found = random.Random(seed), {}
    while len(found) < count:
        day = FIRST + timedelta(days=rng.randrange((LAST - FIRST).days + 1))
        locale, style = rng.choice(list(locales)), rng.choice(list(formats))
        written = _write(day, locale, style)
        if style == "short":
            written = f"{locale} {written}"
        found[written] = day.isoformat()
    return list(found.items())


def write(path: Path, pairs: Sequence[tuple[str, str]]) -> Path:
    """Writes a source, a tab and a target on each line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return path


@cache
def _locale(name: str) -> Any:
    from babel import Locale

    return Locale.parse(name)


def _write(day: date, locale: str, style: str) -> str:
    from babel.dates import format_date

    return " ".join(format_date(day, format=style, locale=_locale(locale)).split())
