"""The scores of one network: named numbers with the direction that is better, whatever the task."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, Literal, Self

from regard.core.errors import OptionError, unknown_name

Better = Literal["higher", "lower"]

PERCENT = "%"
"""The unit of a share: its values are from 0 to 1, people read them in per cent and their differences in points."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of a network on one split.

    Attributes:
        name: for example `accuracy` or `mean_absolute_error`.
        value: a share from 0 to 1 where the unit is `%`; NaN where it could not be measured.
        better: whether higher or lower values are better.
        unit: `%`, a unit such as `px`, or empty for a number without.
    """

    name: str
    value: float
    better: Better = "higher"
    unit: str = ""

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    def gain(self, value: float, over: float) -> float:
        """The amount by which `value` is better than `over`; negative where it is worse."""
        return value - over if self.better == "higher" else over - value

    def beats(self, other: float | None) -> bool:
        """Returns whether it is better than `other`; any number is better than none, and NaN is never better."""
        if isnan(self.value):
            return False
        return other is None or isnan(other) or self.gain(self.value, other) > 0

    def __str__(self) -> str:
        return f"{self.title} {amount(self.value, self.unit)}"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All scores of a network on one split, in the order in which they are shown.

    Attributes:
        all: the scores, names once each.
        choice: the name of the one by which networks and epochs are chosen, on validation.

    Raises:
        OptionError: a name that is there twice, or a choice that is not there.

    Example:
        >>> found = Scores(all=(Score(name="accuracy", value=0.875, unit="%"),), choice="accuracy")
        >>> str(found.chosen), found["accuracy"]
        ('accuracy 87.5 %', 0.875)
    """

    all: tuple[Score, ...]
    choice: str

    def __post_init__(self) -> None:
        names = [score.name for score in self.all]
        if len(set(names)) < len(names) or self.choice not in names:
            raise OptionError(
                f"scores: choice={self.choice!r} among {', '.join(names) or 'no scores'} is not allowed; each score "
                "must have a name of its own, and the choice must be one of them."
            )

    @property
    def chosen(self) -> Score:
        """The score by which networks and epochs are chosen."""
        return self.score(self.choice)

    def score(self, name: str) -> Score:
        """The score of that name; an unknown one is an error that lists the nearest."""
        for score in self.all:
            if score.name == name:
                return score
        raise unknown_name("score", name, [score.name for score in self.all])

    def __getitem__(self, name: str) -> float:
        return self.score(name).value

    def __contains__(self, name: object) -> bool:
        return any(score.name == name for score in self.all)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.all)

    def values(self) -> dict[str, float]:
        """The values by name."""
        return {score.name: score.value for score in self.all}

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The scores that `to_json` wrote."""
        return cls(all=tuple(Score(**score) for score in record["all"]), choice=record["choice"])

    def __str__(self) -> str:
        return ", ".join(map(str, self.all))


def amount(value: float, unit: str) -> str:
    """A value as people read it.

    >>> amount(0.8437, "%"), amount(0.43211, ""), amount(12.5, "px")
    ('84.4 %', '0.432', '12.5 px')
    """
    if isnan(value):
        return "not measured"
    if unit == PERCENT:
        return f"{100 * value:.1f} %"
    return f"{number(value)} {unit}".strip()


def number(value: float) -> str:
    """A number with three decimals below 10, else with three digits.

    >>> number(0.43211), number(12.54), number(3)
    ('0.432', '12.5', '3.000')
    """
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
