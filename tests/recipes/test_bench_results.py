"""The file of a bench holds its record, a case on each line."""

import json
import os

import pytest

from regard.core import RunError
from regard.recipes.bench_results import COPY, EAGER, describe_machine, read_bench, write_bench
from tests.recipes.bench_records import case, results


def test_results_come_back_from_their_file(tmp_path):
    one = results(case(eager=2.5, copy=0.5), case(mode="training", refused={EAGER: "wrong: the output differs"}))
    assert read_bench(write_bench(one, tmp_path / "bench.json")) == one


def test_a_case_is_a_line_of_json(tmp_path):
    path = write_bench(results(case(eager=1 / 3), case(copy=0.5)), tmp_path / "bench.json")
    lines = [line for line in path.read_text().splitlines() if '"mechanism"' in line]
    assert len(lines) == 2
    assert json.loads(path.read_text())["regimes"][0]["cases"][0]["timings"][EAGER]["ratio"] == 0.333333


def test_the_file_has_machine_and_spread(tmp_path):
    record = json.loads(write_bench(results(case(copy=0.5)), tmp_path / "bench.json").read_text())
    assert record["machine"]["threads"] == 1
    assert record["versions"]["torch"] == "2.14.1"
    found = record["regimes"][0]["cases"][0]["timings"][COPY]
    assert {"seconds", "low", "high", "ratio", "ratio_low", "ratio_high", "page_faults", "rounds"} <= set(found)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 2}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(RunError, match=r"bench\.json"):
        read_bench(tmp_path / "bench.json")


def test_a_network_has_no_gain_of_a_module():
    assert case(network="resnet50", plain=1.0, auto=1.05, eager=1.2).times_faster(EAGER) is None
    assert case(eager=2.0).times_faster(EAGER) == 2.0
    assert case().times_faster(EAGER) is None


def test_the_machine_is_this_one():
    machine = describe_machine(3)
    assert machine.threads == 3
    assert 1 <= machine.cores <= os.cpu_count()
    assert machine.processor
