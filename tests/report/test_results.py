import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from regard import report
from regard.core import Epoch, RunError, Score, Scores
from regard.core.run_record import DataRecord, InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.report import Results
from regard.report.files import ARM_COLUMNS, COMPARISON_COLUMNS

RECORDS = (
    report.Results, report.Settings, report.Data, report.Arm, report.Timing, report.Memory, report.Trial,
    report.Outcome, report.Comparison, report.Interval, report.AblationRow, report.GateProfile, report.Choice,
    Epoch, Scores, Score, RunRecord, NetworkRecord, InputRecord, TaskRecord, DataRecord,
)  # fmt: skip
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "results-schema.md"


def test_reference_page_names_exactly_all_fields():
    named = set(re.findall(r"`([a-z_]+)`", REFERENCE.read_text(encoding="utf-8")))
    known = {field.name for record in RECORDS for field in fields(record)}
    assert not (known | {*ARM_COLUMNS, *COMPARISON_COLUMNS}) - named
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (?!holds)", REFERENCE.read_text(encoding="utf-8"), re.M)
    listed = {name for row in rows for name in re.findall(r"[a-z_]+", row)}
    assert len(listed) > 60
    assert listed <= known


def test_results_survive_json(results):
    assert Results.from_json(results.to_json()) == results


def test_the_json_is_strict(results):
    def refuse(word):
        raise AssertionError(word)

    json.loads(results.to_json(), parse_constant=refuse)


def test_a_truncated_file_is_refused(results):
    with pytest.raises(RunError, match=r"runs/a\.json is not JSON"):
        Results.from_json(results.to_json()[:5000], "runs/a.json")


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(results, schema):
    text = json.dumps(json.loads(results.to_json()) | {"schema": schema})
    with pytest.raises(RunError, match="has schema"):
        Results.from_json(text)


def test_a_deep_unknown_field_is_named(results):
    value = json.loads(results.to_json())
    value["trials"][2]["val"]["precision"] = 1
    with pytest.raises(RunError, match=r"trials\[2\]\.val\.precision"):
        Results.from_json(json.dumps(value))


def test_unknown_arm_error_lists_known_ones(results):
    assert results.arm("cbam").name == "CBAM"
    with pytest.raises(RunError, match=r"no arm 'cbma'.*none, se, eca"):
        results.arm("cbma")


def test_comparisons_follow_the_order_of_arms(results):
    assert [c.arm for c in results.against()] == [a.spec for a in results.arms]
    assert {c.reference for c in results.against("static")} == {"static"}


def test_throughput_follows_from_the_time_of_a_batch(results):
    timing = results.arm("none").training
    assert timing.images_per_second == pytest.approx(64 / 0.064)
