"""The words that all rooms share: mechanisms and their facts, taps, records, errors, seeds."""

from regard.core.batch import Batch, ImageBatch
from regard.core.epochs import Epoch
from regard.core.errors import (
    CheckpointError,
    DataError,
    DependencyError,
    OptionError,
    RegardError,
    RunError,
    ShapeError,
    TrainingError,
    UnknownNameError,
)
from regard.core.facts import Facts, Paper
from regard.core.layout import Layout, Stored
from regard.core.mechanism import Mechanism
from regard.core.records import Map, Maps
from regard.core.scores import Score, Scores
from regard.core.spec import Spec
from regard.core.tap import Tap, taps

__all__ = [
    "Batch",
    "CheckpointError",
    "DataError",
    "DependencyError",
    "Epoch",
    "Facts",
    "ImageBatch",
    "Layout",
    "Map",
    "Maps",
    "Mechanism",
    "OptionError",
    "Paper",
    "RegardError",
    "RunError",
    "Score",
    "Scores",
    "ShapeError",
    "Spec",
    "Stored",
    "Tap",
    "TrainingError",
    "UnknownNameError",
    "taps",
]
