"""Trains and tests rows of the table: `python -m benchmarks.ram ROW ... --mnist PATH`, or `all` for every row.

Each row is a run file beside this one, fixed beforehand. Only the epoch is chosen, on validation images; the test
images are looked at once, with the kept epoch's weights. A line is appended to the JSON file for each row that was run,
and the docs' table is written anew.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.ram.rows import ROWS
from benchmarks.ram.table import RESULTS, write_table
from regard.core.epochs import Epoch
from regard.recipes.console import say
from regard.recipes.evaluate import evaluate
from regard.recipes.train import train
from regard.recipes.versions import versions
from regard.training import Recipe, load_weights

QUICK = {"data": "mnist-mini", "epochs": 4}
"""The two-minute form: the shipped images, few epochs; its figure is compared with nothing."""

MNIST = "npz:mnist.npz"
"""The full set in the run files."""


def settings_of(
    row: str, mnist: str, *, quick: bool, epochs: int | None, batch_size: int | None = None
) -> dict[str, Any]:
    """The arguments of `train`: the row's run file with the path of the images in it.

    Another batch size changes the learning rate by the root of its ratio.
    """
    settings = yaml.safe_load(ROWS[row].run_file.read_text(encoding="utf-8"))
    wanted = QUICK["epochs"] if quick else epochs
    if wanted is not None:
        settings["model"] = settings["model"].replace(f"std_epochs={settings['epochs']}", f"std_epochs={wanted}")
        settings["epochs"] = wanted
    settings["data"] = settings["data"].replace(MNIST, QUICK["data"] if quick else f"npz:{mnist}")
    if batch_size is not None:
        settings["lr"] *= (batch_size / settings["batch_size"]) ** 0.5
        settings["batch_size"] = batch_size
    own = {name: settings.pop(name) for name in ("data", "model", "attention", "augment") if name in settings}
    return {**own, "recipe": Recipe(**settings)}


def run(row: str, arguments: argparse.Namespace) -> None:
    """Trains and tests one row, and appends its result."""
    settings, folder = _asked(row, arguments)
    begun = (folder / "settings.yaml").exists()
    kept = {"resume": str(folder)} if begun else {"out": str(folder), "seed": arguments.seed, **settings}
    trained = train(**kept, device=arguments.device, threads=arguments.threads)
    tested = evaluate(run=str(folder), split="test", device=arguments.device, threads=arguments.threads)
    history = [Epoch.from_json(epoch) for epoch in load_weights(folder / "weights.safetensors")[1]["history"]]
    record = _begin_record(row, arguments, settings) | {
        "test_error": round(100 * (1 - tested.scores["accuracy"]), 3),
        "test_images": tested.n,
        "validation_error": round(100 * (1 - trained.scores["accuracy"]), 3),
        "epochs": trained.epochs,
        "kept_epoch": trained.kept_epoch,
        "minutes": round(trained.seconds / 60, 1),
        "last_validation_errors": [round(100 * (1 - e.val["accuracy"]), 3) for e in history[-5:] if e.val],
    }
    _append(record, Path(arguments.out))
    say(f"{row}: test error {record['test_error']} %, epoch {trained.kept_epoch} of {trained.epochs}.")


def record_progress(row: str, arguments: argparse.Namespace) -> None:
    """Appends what a row that is still training has reached on validation images."""
    settings, folder = _asked(row, arguments)
    with (folder / "epochs.csv").open(encoding="utf-8", newline="") as file:
        epochs = list(csv.DictReader(file))
    errors = [round(100 * (1 - float(epoch["val_accuracy"])), 3) for epoch in epochs]
    record = _begin_record(row, arguments, settings) | {
        "test_error": None,
        "validation_error": min(errors),
        "epochs": len(epochs),
        "kept_epoch": errors.index(min(errors)) + 1,
        "minutes": round(sum(float(epoch["seconds"]) for epoch in epochs) / 60, 1),
        "last_validation_errors": errors[-5:],
    }
    _append(record, Path(arguments.out))
    say(f"{row}: validation error {record['validation_error']} % after {len(epochs)} epochs, unfinished.")


def _asked(row: str, arguments: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """The settings of a row and the folder of its run."""
    asked = {"quick": arguments.quick, "epochs": arguments.epochs, "batch_size": arguments.batch_size}
    folder = Path(arguments.runs) / f"{row}{'-quick' * arguments.quick}-seed{arguments.seed}"
    return settings_of(row, arguments.mnist, **asked), folder


def _begin_record(row: str, arguments: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    # The location of the full set on this machine is left out.
    data = settings["data"].replace(f"npz:{arguments.mnist}", MNIST)
    return {
        "row": row,
        "quick": arguments.quick,
        "seed": arguments.seed,
        "published": ROWS[row].published or None,
        "settings": {**settings, "data": data, "recipe": settings["recipe"].to_json()},
        "device": arguments.device,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _append(record: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def run_side_by_side(rows: list[str], rest: list[str]) -> int:
    """Runs every row in a process of its own, all at once; returns how many failed."""
    begun = [subprocess.Popen([sys.executable, "-m", "benchmarks.ram", row, *rest]) for row in rows]
    return sum(process.wait() != 0 for process in begun)


def main(words: list[str]) -> int:
    """Runs the rows that are named, and writes the docs' table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ram", description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)} or all")
    parser.add_argument("--mnist", default="mnist.npz", help="the full set as an npz file of Keras' layout")
    parser.add_argument("--quick", action="store_true", help="two minutes on the shipped images")
    parser.add_argument("--epochs", type=int, help="instead of the run file's, its schedule with it")
    parser.add_argument("--batch-size", type=int, help="instead of the run file's, as 1024 on a GPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--side-by-side", action="store_true", help="rows in processes of their own, for a GPU")
    parser.add_argument("--runs", default="runs/ram", help="the folder of the runs; a run begun there goes on")
    parser.add_argument(
        "--out", default=str(RESULTS), help="the lines of the results; of another file no table is made"
    )
    parser.add_argument("--progress", action="store_true", help="append the validation error of rows still training")
    parser.add_argument("--table", action="store_true", help="write the docs' table; without rows nothing is run")
    arguments = parser.parse_args(words)
    unknown = [row for row in arguments.rows if row not in (*ROWS, "all")]
    if unknown or not (arguments.rows or arguments.table):
        parser.error(
            f"{', '.join(unknown) or 'nothing'} is no row: name some of {', '.join(ROWS)}, or all, or --table."
        )
    rows, failed = list(ROWS) if "all" in arguments.rows else arguments.rows, 0
    if arguments.side_by_side and len(rows) > 1:
        failed = run_side_by_side(rows, [word for word in words if word not in (*ROWS, "all", "--side-by-side")])
    else:
        for row in rows:
            (record_progress if arguments.progress else run)(row, arguments)
    if arguments.table or Path(arguments.out).resolve() == RESULTS:
        write_table()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
