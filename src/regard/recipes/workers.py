"""Independent jobs in processes of one thread each.

Two processes with two threads each on two cores are ten times slower than one; processes with one thread each are not.
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
"""The seconds that a process has to end after a request to terminate."""


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """The outcome of a job: its result, or the error that ended it."""

    job: Job
    result: Result | None
    error: BaseException | None


def run_jobs(
    work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int, threads: int = 1
) -> Iterator[Outcome[Job, Result]]:
    """Runs `work(job)` for each job in `workers` new processes of `threads` threads; yield outcomes as they finish.

    An exception in a job is an outcome and does not stop the others. If the caller stops early, for example by Ctrl-C,
    the processes are terminated at once. A single worker also runs in another process, so that a job never shares
    threads and random state with this process.

    Raises:
        RunError: a process was killed from outside, for example for lack of memory.
    """
    if not jobs:
        return
    others = set(multiprocessing.active_children())
    with _set_child_threads(threads):
        executor = ProcessPoolExecutor(
            min(workers, len(jobs)), mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
        )
        futures: dict[Future[Result], Job] = {executor.submit(work, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                raise RunError(
                    f"A worker process was killed from outside while {workers} ran; the usual cause is a full memory. "
                    "Finished trials are kept: run the command again with fewer --workers."
                ) from error
            yield Outcome(futures[future], None if error else future.result(), error)
    except BaseException:
        _end(executor, others)
        raise
    executor.shutdown()


def _end(executor: ProcessPoolExecutor, others: set[BaseProcess]) -> None:
    """Terminates the workers, and no other child process of the caller."""
    executor.shutdown(wait=False, cancel_futures=True)
    workers = set(multiprocessing.active_children()) - others
    for worker in workers:
        worker.terminate()
    # The executor's own thread also waits for them. If it reaps a process, `join` returns while the process still
    # counts as alive for a moment: poll until none is left.
    patience = time.monotonic() + _PATIENCE
    while workers & set(multiprocessing.active_children()):
        if time.monotonic() > patience:
            for worker in workers:
                worker.kill()
            return
        time.sleep(0.01)


def _ignore_interrupts() -> None:
    """Ignores Ctrl-C, which reaches the whole process group: the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _set_child_threads(threads: int) -> Iterator[None]:
    """Sets the environment variables from which child processes read their number of threads."""
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
