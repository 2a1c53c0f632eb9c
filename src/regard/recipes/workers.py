"""Independent jobs in processes of one thread each.

Two processes of two threads each on two cores are ten times slower than one; processes of one thread share them well.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from regard.core.errors import RunError

Job = TypeVar("Job")
Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PATIENCE = 5.0
"""Seconds that a process has to end when it is asked to."""


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """What became of a job: its result, or the error that ended it."""

    job: Job
    result: Result | None
    error: BaseException | None


def run_jobs(
    work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int, threads: int = 1
) -> Iterator[Outcome[Job, Result]]:
    """Runs `work(job)` for each job in `workers` fresh processes of `threads` threads; yields outcomes as they come.

    A job's exception is an outcome and does not stop the others. When the caller stops early, by Ctrl-C for example,
    the processes are ended at once. With one worker too the work runs in another process, so that a job never
    meets this process's threads and random state.

    Raises:
        RunError: a process was killed from outside, for want of memory for example.
    """
    if not jobs:
        return
    others = set(multiprocessing.active_children())
    with _threads_of_children(threads):
        executor = ProcessPoolExecutor(
            min(workers, len(jobs)), mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
        )
        futures: dict[Future[Result], Job] = {executor.submit(work, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                raise RunError(
                    f"A worker process was ended from outside while {workers} ran; most often the memory was full. "
                    "Finished trials are kept: run the command again with fewer --workers."
                ) from error
            yield Outcome(futures[future], None if error else future.result(), error)
    except BaseException:
        _end(executor, others)
        raise
    executor.shutdown()


def _end(executor: ProcessPoolExecutor, others: set[BaseProcess]) -> None:
    """Ends the workers, and none of the processes that the caller had before."""
    executor.shutdown(wait=False, cancel_futures=True)
    workers = set(multiprocessing.active_children()) - others
    for worker in workers:
        worker.terminate()
    # The executor's own thread waits for them too. Where it is the one to reap a process, `join` returns while the
    # process still counts as alive for a moment: ask until none is left.
    patience = time.monotonic() + _PATIENCE
    while workers & set(multiprocessing.active_children()):
        if time.monotonic() > patience:
            for worker in workers:
                worker.kill()
            return
        time.sleep(0.01)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches the whole process group: the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _threads_of_children(threads: int) -> Iterator[None]:
    """Children read their number of threads from the environment, before they import PyTorch."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
