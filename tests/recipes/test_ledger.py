"""Looks at the test images are appended and counted, also from several processes at once."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from regard.core import RunError
from regard.recipes.ledger import LEDGER, count_test_accesses, record_test_access


def test_looks_are_appended_and_counted(tmp_path):
    run = tmp_path / "run"
    assert count_test_accesses(run) == 0
    record_test_access(run, command="compare", what="se, seed 0", images=2000)
    record_test_access(run, command="evaluate", what="weights.safetensors", images=2000)
    rows = [json.loads(line) for line in (run / LEDGER).read_text().splitlines()]
    assert [row["command"] for row in rows] == ["compare", "evaluate"]
    assert count_test_accesses(run) == 2


def test_a_comparison_counts_accesses_of_its_trials(tmp_path):
    trial = tmp_path / "trials" / "se" / "seed0"
    record_test_access(tmp_path, command="compare", what="se, seed 0", images=2000)
    record_test_access(trial, command="evaluate", what="weights.safetensors", images=2000)
    assert count_test_accesses(tmp_path) == 2
    assert count_test_accesses(trial) == 1


def test_simultaneous_looks_are_all_kept_whole(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: record_test_access(tmp_path, command="compare", what=f"arm {i}", images=i), range(200)))
    rows = [json.loads(line) for line in (tmp_path / LEDGER).read_text().splitlines()]
    assert sorted(row["images"] for row in rows) == list(range(200))


def test_unwritable_ledger_prevents_the_access(tmp_path):
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(RunError, match="not used"):
        record_test_access(tmp_path, command="evaluate", what="x", images=1)
