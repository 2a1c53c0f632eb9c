"""Outcomes of checks: passed, failed with a sentence, or skipped with the reason; and a report of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from regard.core.errors import RegardError, unknown_name

Status = Literal["passed", "failed", "skipped"]

_LONGEST = 200


class ConformanceError(RegardError, AssertionError):
    """A module that breaks promises of a mechanism; lists every failed check and why."""


class CheckFailedError(Exception):
    """Raised by a check: the sentence gives the result and the expectation."""


class CheckSkippedError(Exception):
    """Raised by a check that does not apply: the sentence says why."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check.

    Attributes:
        name: the check's name in `CHECKS`.
        status: `passed`, `failed` or `skipped`.
        sentence: why it failed or was skipped; empty where it passed.
    """

    name: str
    status: Status
    sentence: str = ""

    def __str__(self) -> str:
        return f"{self.status:<8}{self.name:<20}{self.sentence}".rstrip()


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of one module; `report["export"]` is one of them.

    Attributes:
        subject: the module's name.
        outcomes: one for each check that was asked for, in the order of `CHECKS`.

    Example:
        >>> report = Report("mine", (Outcome("shapes", "passed"), Outcome("pickle", "failed", "it has a lambda.")))
        >>> report.passed, [outcome.name for outcome in report.failures]
        (False, ['pickle'])
        >>> print(report)
        mine: 1 passed, 1 failed, 0 skipped
        passed  shapes
        failed  pickle              it has a lambda.
    """

    subject: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Returns whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes of the checks that failed."""
        return self._with("failed")

    @property
    def skipped(self) -> tuple[Outcome, ...]:
        """The outcomes of the checks that did not apply."""
        return self._with("skipped")

    def raise_on_failure(self) -> None:
        """Raises a `ConformanceError` that lists every failed check, where one failed."""
        if self.failures:
            lines = "".join(f"\n  {outcome.name}: {outcome.sentence}" for outcome in self.failures)
            raise ConformanceError(
                f"{self.subject}: {len(self.failures)} of {len(self.outcomes)} checks failed.{lines}"
            )

    def _with(self, status: Status) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)

    def __getitem__(self, name: str) -> Outcome:
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        raise unknown_name("check in this report", name, (outcome.name for outcome in self.outcomes))

    def __str__(self) -> str:
        passed = self._with("passed")
        head = f"{self.subject}: {len(passed)} passed, {len(self.failures)} failed, {len(self.skipped)} skipped"
        return "\n".join([head, *map(str, self.outcomes)])


def brief(error: BaseException) -> str:
    """The type and text of an error, and those of the error that caused it first, on one line.

    >>> brief(ValueError("x has 3 channels;\\n\\n  it needs 4"))
    'ValueError: x has 3 channels; it needs 4'
    """
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    texts = [_one_line(e) for e in dict.fromkeys((error, root))]
    return ", caused by ".join(texts)


def _one_line(error: BaseException) -> str:
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def during(what: str) -> Iterator[None]:
    """Turns any error inside into a failure of the check, with `what` in its sentence."""
    try:
        yield
    except (CheckFailedError, CheckSkippedError):
        raise
    except Exception as error:
        raise CheckFailedError(f"{what} raised {brief(error)}") from error
