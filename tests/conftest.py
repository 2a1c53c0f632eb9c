"""Options of the long run: an end in time, and an order that differs from run to run; less garbage collection."""

import gc
import random
import time

import pytest

NO_TIME = "not started: the time was over"


def pytest_addoption(parser):
    group = parser.getgroup("regard")
    group.addoption("--minutes", type=float, default=None, help="start no test after so many minutes")
    group.addoption(
        "--shuffle", type=int, default=None, metavar="SEED", help="run the tests in an order drawn from SEED"
    )


def pytest_configure(config):
    config.started = time.monotonic()


def pytest_report_header(config):
    seed = config.getoption("shuffle")
    return None if seed is None else f"order: --shuffle {seed}"


def pytest_collection_modifyitems(config, items):
    if config.getoption("shuffle") is not None:
        random.Random(config.getoption("shuffle")).shuffle(items)


def pytest_collection_finish():
    """Leaves what stays to the end, thousands of tests and all modules, out of every further collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    minutes = item.config.getoption("minutes")
    if minutes is not None and time.monotonic() - item.config.started > 60 * minutes:
        pytest.skip(NO_TIME)


def pytest_terminal_summary(terminalreporter):
    left = sorted(r.nodeid for r in terminalreporter.stats.get("skipped", ()) if NO_TIME in str(r.longrepr))
    if left:
        terminalreporter.section(f"{len(left)} tests {NO_TIME}")
        for nodeid in left:
            terminalreporter.write_line(nodeid)
