"""Jobs run in processes of their own threads; errors are outcomes; stopping early ends the processes."""

import math
import multiprocessing
import os
import time

import pytest

from regard.core import RunError
from regard.recipes.workers import run_jobs


def test_every_job_has_an_outcome_despite_errors():
    outcomes = {o.job: o for o in run_jobs(math.sqrt, [4.0, -1.0, 9.0], workers=2)}
    assert outcomes[4.0].result == 2.0
    assert outcomes[9.0].result == 3.0
    assert isinstance(outcomes[-1.0].error, ValueError)


def test_children_get_threads_and_the_parent_keeps_its(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    (outcome,) = run_jobs(os.getenv, ["OMP_NUM_THREADS"], workers=1, threads=3)
    assert outcome.result == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_stopping_early_ends_the_processes():
    before = set(multiprocessing.active_children())
    start = time.monotonic()
    outcomes = run_jobs(time.sleep, [0.0, 60.0], workers=2)
    next(outcomes)
    assert set(multiprocessing.active_children()) - before
    outcomes.close()
    assert time.monotonic() - start < 30
    assert not set(multiprocessing.active_children()) - before


def test_stopping_early_leaves_the_callers_own_processes_alone():
    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    before = set(multiprocessing.active_children())
    try:
        outcomes = run_jobs(time.sleep, [0.0, 60.0], workers=2)
        next(outcomes)
        outcomes.close()
        left = set(multiprocessing.active_children())
        assert own in left
        assert not left - before
    finally:
        own.kill()
        own.join()


def test_killed_processes_are_reported_with_a_remedy():
    with pytest.raises(RunError, match="fewer --workers"):
        list(run_jobs(os._exit, [1], workers=1))


def test_no_jobs_start_no_process():
    assert list(run_jobs(math.sqrt, [], workers=2)) == []
