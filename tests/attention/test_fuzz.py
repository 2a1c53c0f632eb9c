"""A few examples of what `make fuzz` searches, the same in every run; and the search itself."""

import subprocess
import sys

import pytest

from tests.attention import fuzz


@pytest.mark.parametrize("name", fuzz.MECHANISMS)
def test_a_few_random_inputs_and_options(name):
    for wanted in fuzz.PROPERTIES:
        fault = fuzz.fault_of(name, wanted, examples=3, number=None)
        assert fault is None, fault


def test_a_fault_is_reported_as_a_call(monkeypatch):
    def small(case, training):
        """Holds for fewer than three channels."""
        assert case.channels < 3

    drawn = fuzz.PROPERTIES["differentiable"][1]
    monkeypatch.setitem(fuzz.PROPERTIES, "small", (small, drawn))
    call, error = fuzz.fault_of("se", "small", examples=50, number=7)
    assert isinstance(error, AssertionError)
    assert call.startswith("small(case=Case(name='se', channels=3,")
    with pytest.raises(AssertionError):
        eval(call, {**vars(fuzz), "small": small})


@pytest.mark.parametrize("names", [(), ("se",)])
def test_the_search_prints_its_seed_and_ends(names):
    command = [sys.executable, "-m", "tests.attention.fuzz", "--minutes", "0", "--seed", "5", *names]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "with SEED=5" in run.stdout
    assert "0 faults, SEED=5" in run.stdout


def test_a_seed_decides_the_order_of_the_search():
    first, second = (fuzz.rounds(3, ["se", "cbam"]) for _ in range(2))
    assert [next(first) for _ in range(9)] == [next(second) for _ in range(9)]
