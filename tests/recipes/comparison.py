"""The one comparison of the suite: interrupted in its first trials, then run to its end with more arms."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regard.recipes.compare import Compared, compare
from regard.training import Recipe

RECIPE = Recipe(epochs=1, batch_size=16, optimizer="adamw", lr=0.01, channels_last=True)
FLAGS = "--epochs 1 --batch-size 16 --optimizer adamw --lr 0.01 --size 8 --images all --device cpu --workers 2"


@dataclass(frozen=True)
class Interrupted:
    """The state of an interrupted comparison.

    Attributes:
        source: the images, `npz:PATH`.
        folder: the comparison's.
        status: the interrupted command's exit status.
        errors: what it wrote to standard error.
        left: whether a process of it was still alive a minute later.
        kept: its finished trials, with the time when each was written.
        end: what the whole comparison returned.
    """

    source: str
    folder: Path
    status: int
    errors: str
    left: bool
    kept: dict[Path, int]
    end: Compared


def tiny_npz(folder):
    """Three classes of 8x8 images, which differ in which third is bright."""
    rng = np.random.default_rng(0)

    def images_of(count):
        labels = np.arange(count, dtype=np.uint8) % 3
        images = rng.integers(0, 120, (count, 8, 8), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 3 * label : 3 * label + 2] += 120
        return images, labels

    (x_train, y_train), (x_val, y_val), (x_test, y_test) = (images_of(n) for n in (48, 18, 24))
    path = folder / "thirds.npz"
    np.savez(path, x_train=x_train, y_train=y_train, x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test)
    return f"npz:{path}"


def run(source, out, *arms, seeds=1, recipe=RECIPE, **options):
    fixed = {"images": "all", "size": 8, "device": "cpu", "workers": 2}
    return compare(arms, data=source, seeds=seeds, out=str(out), recipe=recipe, **fixed, **options)


def interrupt_comparison(folder):
    """`regard compare se`, stopped by Ctrl-C when a trial is there; then two arms and a control, with one seed."""
    source, out = tiny_npz(folder), folder / "run"
    program = "import sys; from regard.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "compare", "se", "--data", source, "--out", str(out), "--seeds", "40"]
    process = subprocess.Popen([*command, *FLAGS.split()], stderr=subprocess.PIPE, text=True, start_new_session=True)
    _wait(lambda: list(out.glob("trials/*/*/trial.json")) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    _wait(lambda: not _alive(process.pid))
    left = _alive(process.pid)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("trials/*/*/trial.json")}
    end = run(source, out, "se", "cbam", "wide")
    return Interrupted(source, out, process.returncode, errors, left, kept, end)


def _wait(until):
    deadline = time.monotonic() + 120
    while not until() and time.monotonic() < deadline:
        time.sleep(0.1)


def _alive(group):
    """Returns True if any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
