"""A training run's folder: the settings it was begun with, what is known of it, and whether it is finished."""

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

NEWER = ("patch", "patch_stride", "fit")
"""Settings that runs of an earlier version do not name: they were as the default is."""

SETTINGS, FACTS, WEIGHTS, CHECKPOINT = "settings.yaml", "run.json", "weights.safetensors", "last.safetensors"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides what a training run results in; `regard train` explains each."""

    data: str = ""
    model: str = "resnet20"
    attention: str | None = None
    weights: str | None = None
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
        """The settings and those of its records by their names, as a run file for `--config` has them."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("recipe", "reading")}
        return own | asdict(self.reading) | self.recipe.to_json()

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> "Settings":
        """The settings that `to_flat` gave.

        Raises:
            KeyError: one is missing.
            RegardError: one does not exist, or the recipe refuses it.
        """
        names = [f.name for f in fields(cls) if f.name not in ("recipe", "reading")]
        own = {name: flat[name] for name in names if name in flat or name not in NEWER}
        reading = {f.name: flat[f.name] for f in fields(Reading) if f.name in flat}
        recipe = Recipe.from_json({k: v for k, v in flat.items() if k not in own and k not in reading})
        return cls(**own, reading=Reading(**reading), recipe=recipe)


def check_free(folder: Path) -> None:
    """Raises a `RunError` where something is in `folder` already."""
    if (folder / SETTINGS).exists():
        raise RunError(
            f"{folder} already holds a training run: go on with it by `regard train --resume {folder}`, or choose "
            "another folder with --out."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} exists and is no training run: choose another folder with --out.")


def begin(folder: Path, settings: Settings, facts: Mapping[str, Any]) -> None:
    """Makes `folder` the run's.

    Raises:
        RunError: something is there already, or nothing can be written.
    """
    check_free(folder)
    note = f"# The same once more: regard train --config {folder / SETTINGS} --out ANOTHER_FOLDER\n"
    write_facts(folder, facts)
    write_whole(folder / SETTINGS, (note + yaml.safe_dump(settings.to_flat(), sort_keys=False)).encode())


def read_settings(folder: Path) -> Settings:
    """The settings of the run in `folder`.

    Raises:
        RunError: there is no run, or its settings are damaged.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise RunError(f"{folder} holds no training run, as there is no {SETTINGS} in it: name a run's folder.")
    try:
        return Settings.from_flat(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError, RegardError) as error:
        said = " ".join(str(error).split())
        raise RunError(f"{path} is damaged ({said}), so the run cannot be resumed: begin a new one.") from error


def agree(folder: Path, saved: Settings, asked: Settings) -> None:
    """Raises a `RunError` where `asked` names another value than the run's, which would make it another run.

    A setting that is asked for at its default counts as not asked for.
    """
    have, want, usual = (settings.to_flat() for settings in (saved, asked, Settings()))
    differing = [name for name in have if want[name] != usual[name] and want[name] != have[name]]
    if differing:
        said = "; ".join(f"{name} was {have[name]}, not {want[name]}" for name in differing)
        raise RunError(
            f"{folder} was begun with other settings ({said}): leave them out to go on with it, or begin a new run "
            "with another --out."
        )


@contextmanager
def noting_the_end(folder: Path) -> Iterator[None]:
    """Notes in `run.json` that a run ended by an error or Ctrl-C, so that one that was killed can be told from it."""
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
    """What `write_facts` wrote; nothing where it is missing or damaged."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
