import dataclasses

import pytest

from regard.core import RegardError, UnknownNameError
from regard.testing import ConformanceError, Outcome, Report
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, brief, during

REPORT = Report(
    "mine",
    (
        Outcome("shapes", "passed"),
        Outcome("export", "failed", "the size is frozen."),
        Outcome("onnx", "skipped", "onnx is not installed."),
        Outcome("pickle", "failed", "it has a lambda."),
    ),
)


def test_the_error_lists_every_failed_check_and_why():
    with pytest.raises(ConformanceError) as caught:
        REPORT.raise_on_failure()
    assert str(caught.value).splitlines() == [
        "mine: 2 of 4 checks failed.",
        "  export: the size is frozen.",
        "  pickle: it has a lambda.",
    ]
    assert isinstance(caught.value, RegardError)
    assert isinstance(caught.value, AssertionError)


def test_a_report_without_failures_passes():
    report = Report("mine", (REPORT["shapes"], REPORT["onnx"]))
    assert report.passed
    report.raise_on_failure()
    assert not REPORT.passed


def test_outcomes_are_found_by_name():
    assert REPORT["onnx"].status == "skipped"
    assert [outcome.name for outcome in REPORT.skipped] == ["onnx"]
    with pytest.raises(UnknownNameError, match="Did you mean 'export'"):
        REPORT["exprot"]


def test_the_text_has_a_row_for_each_check():
    lines = str(REPORT).splitlines()
    assert lines[0] == "mine: 1 passed, 2 failed, 1 skipped"
    assert len(lines) == 5
    assert lines[3].split(maxsplit=2) == ["skipped", "onnx", "onnx is not installed."]


def test_a_report_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        REPORT.subject = "yours"


def test_brief_names_the_cause_in_one_line():
    try:
        try:
            raise KeyError("no function for lgamma")
        except KeyError as cause:
            raise RuntimeError("\x1b[96mstep 3\x1b[0m\n\n failed " + 500 * "x") from cause
    except RuntimeError as error:
        text = brief(error)
    assert text.startswith("RuntimeError: step 3 failed xxx")
    assert text.endswith("..., caused by KeyError: 'no function for lgamma'")
    assert len(text) < 300
    assert brief(ValueError()) == "ValueError"


def test_during_names_the_action_and_passes_outcomes():
    with pytest.raises(CheckFailedError, match="exporting raised ValueError: no"), during("exporting"):
        raise ValueError("no")
    with pytest.raises(CheckFailedError, match=r"^plain$"), during("exporting"):
        raise CheckFailedError("plain")
    with pytest.raises(CheckSkippedError, match=r"^reason$"), during("exporting"):
        raise CheckSkippedError("reason")
