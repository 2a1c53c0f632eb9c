import json

import pytest

from regard.core import RunError
from regard.report import Results


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


def test_an_arm_that_is_not_there_is_refused_with_those_that_are(results):
    assert results.arm("cbam").name == "CBAM"
    with pytest.raises(RunError, match=r"no arm 'cbma'.*none, se, eca"):
        results.arm("cbma")


def test_comparisons_of_one_reference_come_in_the_order_of_the_arms(results):
    assert [c.arm for c in results.against()] == [a.spec for a in results.arms]
    assert {c.reference for c in results.against("static")} == {"static"}


def test_throughput_follows_from_the_time_of_a_batch(results):
    timing = results.arm("none").training
    assert timing.images_per_second == pytest.approx(64 / 0.064)
