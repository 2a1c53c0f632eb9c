"""results.json, results.csv and arms.csv of a comparison: written completely or not at all."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regard.core.errors import RunError
from regard.core.files import as_bytes, write_whole
from regard.report.results import PLAIN, Results, Trial

Cell = str | int | float | bool | None

ARM_COLUMNS = {
    "arm": "spec",
    "name": "name",
    "is_control": "is_control",
    "parameters": "parameters",
    "macs": "macs",
    "sites": "sites",
    "inference_ms": "inference.milliseconds",
    "inference_ratio": "inference.ratio",
    "training_images_per_second": "training.images_per_second",
    "training_ratio": "training.ratio",
    "peak_memory_bytes": "memory.bytes",
    "peak_memory_ratio": "memory.ratio",
}
COMPARISON_COLUMNS = {
    "split": "split",
    "seeds": "seeds",
    "score": "score.name",
    "mean": "score.value",
    "mean_low": "interval.low",
    "mean_high": "interval.high",
    "difference": "difference",
    "difference_low": "difference_interval.low",
    "difference_high": "difference_interval.high",
    "difference_level": "difference_interval.level",
    "p": "p",
    "verdict": "verdict",
    "detectable": "detectable",
    "worthwhile": "worthwhile",
    "seeds_needed": "seeds_needed",
}


def write_results(results: Results, folder: Path | str) -> tuple[Path, ...]:
    """Writes `results.json`, `results.csv` (a row for each trial) and `arms.csv` (a row for each arm) into `folder`.

    Args:
        results: what to write.
        folder: the run's folder; created if it does not exist.

    Returns:
        The three paths.

    Raises:
        RunError: a file could not be written, for example on a full disk; an earlier file is untouched.
    """
    folder = Path(folder)
    texts = {"results.json": results.to_json(), "results.csv": trials_csv(results), "arms.csv": arms_csv(results)}
    return tuple(write_whole(folder / name, as_bytes(text)) for name, text in texts.items())


def read_results(path: Path | str) -> Results:
    """Reads a `results.json`, or the one in a folder.

    Raises:
        RunError: there is no such file, or it is no results file of this schema.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read ({error}): name the folder of a finished `regard compare`.") from error
    return Results.from_json(text, str(path))


def trials_csv(results: Results) -> str:
    """A row for each trial; scores in per cent are shares, an empty cell was not measured."""
    return _csv(_trial_cells(trial) for trial in results.trials)


def _trial_cells(trial: Trial) -> dict[str, Cell]:
    last = trial.history[-1] if trial.history else None
    cells = _cells(trial, {"arm": "arm", "seed": "seed", "epochs": "epochs", "seconds": "seconds"})
    cells |= _cells(last, {"final_train_loss": "train_loss"})
    for split, outcome in {"val": trial.val, "test": trial.test}.items():
        cells[f"{split}_n"] = outcome.n if outcome else None
        cells |= {f"{split}_{s.name}": outcome.scores[s.name] if outcome else None for s in trial.val.scores}
    return cells | {"weights": trial.weights}


def arms_csv(results: Results) -> str:
    """A row for each arm: its cost, and its comparison with the plain network."""
    compared = {c.arm: c for c in results.against(PLAIN)}
    return _csv(_cells(arm, ARM_COLUMNS) | _cells(compared.get(arm.spec), COMPARISON_COLUMNS) for arm in results.arms)


def _cells(record: object, columns: dict[str, str]) -> dict[str, Cell]:
    """The value at each column's path in `record`; None from the first None on."""
    cells: dict[str, Cell] = {}
    for column, path in columns.items():
        value: Any = record
        for name in path.split("."):
            value = None if value is None else getattr(value, name)
        cells[column] = value
    return cells


def _csv(rows: Iterable[dict[str, Cell]]) -> str:
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
