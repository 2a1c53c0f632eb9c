"""Imports only look downwards, and `import regard` brings nothing heavy."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("av", "jsonargparse", "lightning", "matplotlib", "PIL", "rich", "scipy", "sklearn", "soundfile", "tensorboard"),
    "torchvision",
)
ROUNDS = 3

MEASURE = """
import json, sys, time
import torch
before, start = set(sys.modules), time.process_time()
import regard
regard.names(), regard.create("se", channels=8)
print(json.dumps([time.process_time() - start, sorted({name.split(".")[0] for name in set(sys.modules) - before})]))
"""


def test_the_contracts_of_import_linter_hold():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " 0 broken" in done.stdout


@pytest.fixture(scope="module")
def cold_imports():
    """CPU seconds and new top-level packages of `import regard` and of making a mechanism, in fresh interpreters."""
    command = [sys.executable, "-c", MEASURE]
    return [
        json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for _ in range(ROUNDS)
    ]


def test_the_catalogue_loads_in_0_3_seconds(cold_imports):
    assert statistics.median(seconds for seconds, _ in cold_imports) < 0.3


def test_regard_and_its_catalogue_bring_nothing_heavy(cold_imports):
    assert not set(cold_imports[0][1]) & {*HEAVY, "triton"}


def test_regard_alone_does_not_even_load_torch():
    code = "import sys, regard; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
