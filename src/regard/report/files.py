"""results.json, results.csv and arms.csv of a comparison: written whole or not at all."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from regard.core.errors import RunError
from regard.report.results import PLAIN, Arm, Comparison, Results, Trial

Cell = str | int | float | bool | None


def write_results(results: Results, folder: Path | str) -> tuple[Path, ...]:
    """Writes `results.json`, `results.csv` (a row for each trial) and `arms.csv` (a row for each arm) into `folder`.

    Args:
        results: what to write.
        folder: the run's folder; made where it does not exist.

    Returns:
        The three paths.

    Raises:
        RunError: a file could not be written, for example on a full disk; what stood there before is untouched.
    """
    folder = Path(folder)
    texts = {"results.json": results.to_json(), "results.csv": trials_csv(results), "arms.csv": arms_csv(results)}
    return tuple(write_whole(folder / name, text.encode()) for name, text in texts.items())


def read_results(path: Path | str) -> Results:
    """The results in a `results.json`, or in the folder that holds one.

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


def write_whole(path: Path | str, content: bytes) -> Path:
    """Writes `content` aside and renames it, so that `path` holds either the old bytes or all of the new ones.

    Raises:
        RunError: it could not be written; the old file, if any, is untouched.
    """
    path = Path(path)
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            aside = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        if aside is not None:
            aside.unlink(missing_ok=True)
        raise RunError(
            f"{path} could not be written ({error.strerror or error}); nothing that was there before is changed. "
            "Free some space or choose another folder, then run the same command again."
        ) from error
    return path


def trials_csv(results: Results) -> str:
    """A row for each trial; accuracies are shares, an empty cell was not measured."""
    return _csv({**_trial_cells(t), "weights": t.weights} for t in results.trials)


def arms_csv(results: Results) -> str:
    """A row for each arm: its cost, and its comparison with the plain network."""
    compared = {c.arm: c for c in results.against(PLAIN)}
    return _csv({**_cost_cells(arm), **_comparison_cells(compared.get(arm.spec))} for arm in results.arms)


def _trial_cells(trial: Trial) -> dict[str, Cell]:
    cells: dict[str, Cell] = {"arm": trial.arm, "seed": trial.seed, "epochs": trial.epochs}
    cells |= {"final_train_loss": trial.history[-1].train_loss if trial.history else None, "seconds": trial.seconds}
    for split, scores in (("val", trial.val), ("test", trial.test)):
        for name in ("n", "accuracy", "balanced_accuracy", "loss", "ece"):
            cells[f"{split}_{name}"] = getattr(scores, name) if scores else None
    return cells


def _cost_cells(arm: Arm) -> dict[str, Cell]:
    return {
        "arm": arm.spec,
        "name": arm.name,
        "is_control": arm.is_control,
        "parameters": arm.parameters,
        "macs": arm.macs,
        "sites": arm.sites,
        "inference_ms": arm.inference and arm.inference.milliseconds,
        "inference_ratio": arm.inference and arm.inference.ratio,
        "training_images_per_second": arm.training and arm.training.images_per_second,
        "training_ratio": arm.training and arm.training.ratio,
        "peak_memory_bytes": arm.memory and arm.memory.bytes,
        "peak_memory_ratio": arm.memory and arm.memory.ratio,
    }


def _comparison_cells(found: Comparison | None) -> dict[str, Cell]:
    own, paired = (found.accuracy_interval, found.difference_interval) if found else (None, None)
    return {
        "split": found and found.split,
        "seeds": found and found.seeds,
        "accuracy": found and found.accuracy,
        "accuracy_low": own and own.low,
        "accuracy_high": own and own.high,
        "difference": found and found.difference,
        "difference_low": paired and paired.low,
        "difference_high": paired and paired.high,
        "difference_level": paired and paired.level,
        "p": found and found.p,
        "verdict": found and found.verdict,
        "detectable": found and found.detectable,
        "seeds_needed": found and found.seeds_needed,
    }


def _csv(rows: Iterable[dict[str, Cell]]) -> str:
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
