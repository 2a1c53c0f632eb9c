"""The folder of a training run: its settings, its facts, and its result once it is finished."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from regard.core.errors import RegardError, RunError
from regard.core.files import as_bytes, write_whole
from regard.data import Augment, Fit, Reading
from regard.training import Recipe

NEWER = ("freeze", "patch", "patch_stride", "fit")
"""Settings that runs of an earlier version lack: they had the default value."""

SETTINGS, FACTS, WEIGHTS, CHECKPOINT = "settings.yaml", "run.json", "weights.safetensors", "last.safetensors"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that determines the result of a training run; see `regard train` for each."""

    data: str = ""
    model: str = "resnet20"
    attention: str | None = None
    weights: str | None = None
    freeze: bool = False
    augment: Augment = "auto"
    size: int | str | None = None
    fit: Fit = "crop"
    balanced: bool = False
    patch: int | None = None
    patch_stride: int | None = None
    seed: int = 0
    reading: Reading = field(default_factory=Reading)
    recipe: Recipe = field(default_factory=Recipe)

    def to_flat(self) -> dict[str, Any]:
        """Returns all settings by name on one level, as in a run file for `--config`."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("recipe", "reading")}
        return own | asdict(self.reading) | self.recipe.to_json()

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> "Settings":
        """Returns the settings from the output of `to_flat`.

        Raises:
            KeyError: a setting is missing.
            RegardError: a setting does not exist, or has a value that is not allowed.
        """
        names = [f.name for f in fields(cls) if f.name not in ("recipe", "reading")]
        own = {name: flat[name] for name in names if name in flat or name not in NEWER}
        reading = {f.name: flat[f.name] for f in fields(Reading) if f.name in flat}
        recipe = Recipe.from_json({k: v for k, v in flat.items() if k not in own and k not in reading})
        return cls(**own, reading=Reading(**reading), recipe=recipe)


def check_free(folder: Path) -> None:
    """Raises a `RunError` if `folder` is not empty."""
    if (folder / SETTINGS).exists():
        raise RunError(
            f"{folder} already contains a training run: continue it with `regard train --resume {folder}`, or choose "
            "another folder with --out."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} exists and is not a training run: choose another folder with --out.")


def begin(folder: Path, settings: Settings, facts: Mapping[str, Any]) -> None:
    """Writes the settings and facts of a new run to `folder`.

    Raises:
        RunError: the folder is not empty, or cannot be written to.
    """
    check_free(folder)
    note = f"# To repeat this run: regard train --config {folder / SETTINGS} --out ANOTHER_FOLDER\n"
    write_facts(folder, facts)
    write_whole(folder / SETTINGS, (note + yaml.safe_dump(settings.to_flat(), sort_keys=False)).encode())


def read_settings(folder: Path) -> Settings:
    """Reads the settings of the run in `folder`.

    Raises:
        RunError: there is no run in it, or its settings are damaged.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise RunError(f"{folder} contains no training run, as it has no {SETTINGS}: name the folder of a run.")
    try:
        return Settings.from_flat(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError, RegardError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path} is damaged ({reason}), so the run cannot be resumed: start a new run.") from error


def agree(folder: Path, saved: Settings, asked: Settings) -> None:
    """Raises a `RunError` if `asked` has other values than the run was started with.

    A setting at its default value counts as not given.
    """
    have, want, usual = (settings.to_flat() for settings in (saved, asked, Settings()))
    differing = [name for name in have if want[name] != usual[name] and want[name] != have[name]]
    if differing:
        differences = "; ".join(f"{name} was {have[name]}, not {want[name]}" for name in differing)
        raise RunError(
            f"{folder} was started with other settings ({differences}): leave them out to continue it, or "
            "start a new run with another --out."
        )


@contextmanager
def record_end(folder: Path) -> Iterator[None]:
    """Records in `run.json` that a run ended by an error or Ctrl-C; a run that was killed has no such record."""
    write_facts(folder, read_facts(folder) | {"ended": None})
    try:
        yield
    except BaseException as error:
        write_facts(folder, read_facts(folder) | {"ended": type(error).__name__})
        raise


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes `run.json`."""
    write_whole(
        folder / FACTS,
        as_bytes(json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)),
    )


def read_facts(folder: Path) -> dict[str, Any]:
    """Reads `run.json`; an empty dict if it is missing or damaged."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
