"""The words that all rooms share: mechanisms and their facts, taps, records, errors, seeds."""

from regard.core.batch import Batch, ImageBatch
from regard.core.draws import Draws
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
from regard.core.facts import Facts, Input, Paper
from regard.core.features import Features
from regard.core.hard import Hard
from regard.core.layout import Layout, Stored
from regard.core.mechanism import Mechanism
from regard.core.records import Map, Maps
from regard.core.returns import Answer, Attended, Memory, Sample
from regard.core.scores import Score, Scores
from regard.core.spec import Spec
from regard.core.tap import Tap, taps
from regard.core.temporal import Temporal

__all__ = [
    "Answer",
    "Attended",
    "Batch",
    "CheckpointError",
    "DataError",
    "DependencyError",
    "Draws",
    "Epoch",
    "Facts",
    "Features",
    "Hard",
    "ImageBatch",
    "Input",
    "Layout",
    "Map",
    "Maps",
    "Mechanism",
    "Memory",
    "OptionError",
    "Paper",
    "RegardError",
    "RunError",
    "Sample",
    "Score",
    "Scores",
    "ShapeError",
    "Spec",
    "Stored",
    "Tap",
    "Temporal",
    "TrainingError",
    "UnknownNameError",
    "taps",
]
