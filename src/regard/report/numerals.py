"""Numbers as text: few digits, a true minus sign, familiar units."""

import math

from regard.core.scores import PERCENT, number

MINUS = "\u2212"
NONE = "–"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in per cent, without the sign.

    >>> percent(0.8437)
    '84.4'
    """
    return NONE if share is None or math.isnan(share) else f"{100 * share:.{digits}f}".replace("-", MINUS)


def points(difference: float | None, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign; one that rounds to 0 has none.

    >>> points(-0.0123), points(0.004), points(0.0001)
    ('−1.2', '+0.4', '0.0')
    """
    if difference is None or math.isnan(difference):
        return NONE
    text = f"{100 * difference:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def score_value(value: float | None, unit: str) -> str:
    """A score's value without its unit: a share in per cent, else a number.

    >>> score_value(0.8437, "%"), score_value(2.4567, "px")
    ('84.4', '2.457')
    """
    if unit == PERCENT or value is None or math.isnan(value):
        return percent(value)
    return number(value).replace("-", MINUS)


def change(difference: float | None, unit: str) -> str:
    """A difference of scores with its sign: shares in points, else a number.

    >>> change(-0.0123, "%"), change(0.25, "px")
    ('−1.2', '+0.250')
    """
    if unit == PERCENT or difference is None or math.isnan(difference):
        return points(difference)
    text = number(abs(difference))
    return text if float(text.replace(",", "")) == 0 else ("+" if difference > 0 else MINUS) + text


def unit_of_change(unit: str) -> str:
    """The unit of differences of scores: points for shares, else the scores' own unit."""
    return "points" if unit == PERCENT else unit


def with_unit(text: str, unit: str) -> str:
    """`text, unit`; the text alone without a unit.

    >>> with_unit("mean", "%"), with_unit("mean", "")
    ('mean, %', 'mean')
    """
    return f"{text}, {unit}" if unit else text


def count(number: int) -> str:
    """A count with thousands separators.

    >>> count(28088024)
    '28,088,024'
    """
    return f"{number:,}"


def short_count(number: float) -> str:
    """A large count with three digits and a letter.

    >>> short_count(12_502_000), short_count(640), short_count(3.86e9)
    ('12.5 M', '640', '3.86 G')
    """
    return _scale(number, 1000, ("", "k", "M", "G", "T"))


def size(number: float) -> str:
    """Bytes with three digits and a unit.

    >>> size(64_416_000)
    '61.4 MiB'
    """
    return _scale(number, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def excess(ratio_to_plain: float) -> str:
    """The excess of a ratio over 1, in per cent; a small one keeps two digits.

    >>> excess(1.079), excess(1.0001156), excess(1.0)
    ('+7.9 %', '+0.012 %', '+0 %')
    """
    more = 100 * (ratio_to_plain - 1)
    text = f"{more:+.1f}" if abs(more) >= 0.1 else f"{more:+.2g}"
    return text.replace("-", MINUS) + " %"


def ratio(number: float) -> str:
    """A ratio to the plain network.

    >>> ratio(1.1432)
    '1.14'
    """
    return f"{number:.2f}"


def probability(p: float | None) -> str:
    """A p value with its relation sign, to follow `p`, with a non-breaking space.

    >>> [probability(p).split() for p in (0.0312, 0.00002, 0.9999)]
    [['=', '0.031'], ['<', '0.001'], ['=', '1.0']]
    """
    if p is None:
        return NONE
    if p < 0.001:
        return "<\u00a00.001"
    return "=\u00a0" + (f"{p:.3f}" if p < 0.1 else f"{p:.2f}" if p < 0.995 else "1.0")


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    >>> duration(312.4), duration(4210)
    ('5 min 12 s', '1 h 10 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def join_words(words: list[str]) -> str:
    """Joins words with commas and a final "and".

    >>> join_words(["SE", "ECA", "SK"])
    'SE, ECA and SK'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(number: int, word: str) -> str:
    """A count with its noun.

    >>> plural(1, "seed"), plural(3000, "image")
    ('1 seed', '3,000 images')
    """
    return f"{count(number)} {word}" if number == 1 else f"{count(number)} {word}s"


def _scale(number: float, step: int, units: tuple[str, ...]) -> str:
    power = 0
    while abs(number) >= 0.9995 * step and power < len(units) - 1:
        number, power = number / step, power + 1
    digits = 0 if number == int(number) and power == 0 else max(0, 2 - int(math.log10(max(1.0, abs(number)))))
    return f"{number:.{digits}f} {units[power]}".strip()
