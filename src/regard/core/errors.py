"""Errors of a user's input, each a sentence with the remedy.

Every error that a user can cause is a `RegardError`; the command prints its text and exits with status 2.
Anything else that escapes is a bug of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class RegardError(Exception):
    """Base of every error that names the object, the value, the rule and the remedy."""


class UnknownNameError(RegardError, LookupError):
    """An unknown name; the message lists the nearest names."""


class OptionError(RegardError, ValueError, TypeError):
    """An option that does not exist, or a value it does not allow."""


class ShapeError(RegardError, ValueError):
    """A tensor whose shape or dtype a module does not take."""


class DataError(RegardError, ValueError):
    """An image, folder or file of data that cannot be used."""


class CheckpointError(RegardError, ValueError):
    """A weights file or checkpoint that cannot be read, or belongs to something else."""


class RunError(RegardError, ValueError):
    """A run folder that cannot be used for the command."""


class TrainingError(RegardError, RuntimeError):
    """A training run that cannot go on, for example after a loss that is not a number."""


class SurgeryError(RegardError, ValueError):
    """A network that attention cannot be inserted into, or a selection of sites that finds none."""


class ExportError(RegardError, RuntimeError):
    """A network that cannot be exported, or whose exported file computes something else."""


class DependencyError(RegardError, ImportError):
    """An optional package that is not installed; the message says how to install it."""


def unknown_name(what: str, name: str, names: Iterable[str]) -> UnknownNameError:
    """The error for a `name` that is no `what`: with the nearest names, or all of them where none is near.

    >>> str(unknown_name("mechanism", "cbma", ["se", "cbam"]))
    "There is no mechanism named 'cbma'. Did you mean 'cbam'? There are: cbam, se."
    """
    ordered = sorted(names)
    folded = {n.lower(): n for n in ordered}
    near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(folded[n]) for n in near)}?" if near else ""
    return UnknownNameError(f"There is no {what} named {name!r}.{hint} There are: {', '.join(ordered)}.")
