"""The words that all rooms share: mechanisms and their facts, taps, records, errors, seeds."""

from regard.core.batch import Batch, ImageBatch, TextBatch
from regard.core.draws import Draws
from regard.core.epochs import Epoch
from regard.core.errors import (
    CheckpointError,
    DataError,
    DependencyError,
    ExportError,
    OptionError,
    RegardError,
    RunError,
    ShapeError,
    SurgeryError,
    TrainingError,
    UnknownNameError,
)
from regard.core.facts import Facts, Input, Paper
from regard.core.features import Features, Start
from regard.core.hard import Hard, HardFeatures, Looker, OnFeatures, drawing
from regard.core.kinds import Axis, MapKind
from regard.core.layout import Layout, Stored
from regard.core.mechanism import Mechanism
from regard.core.precision import widen
from regard.core.records import Map, Maps
from regard.core.returns import Answer, Attended, Memory, Sample, logits_of
from regard.core.scores import Score, Scores
from regard.core.spec import Spec
from regard.core.tap import Tap, taps
from regard.core.temporal import Temporal

__all__ = [
    "Answer",
    "Attended",
    "Axis",
    "Batch",
    "CheckpointError",
    "DataError",
    "DependencyError",
    "Draws",
    "Epoch",
    "ExportError",
    "Facts",
    "Features",
    "Hard",
    "HardFeatures",
    "ImageBatch",
    "Input",
    "Layout",
    "Looker",
    "Map",
    "MapKind",
    "Maps",
    "Mechanism",
    "Memory",
    "OnFeatures",
    "OptionError",
    "Paper",
    "RegardError",
    "RunError",
    "Sample",
    "Score",
    "Scores",
    "ShapeError",
    "Spec",
    "Start",
    "Stored",
    "SurgeryError",
    "Tap",
    "Temporal",
    "TextBatch",
    "TrainingError",
    "UnknownNameError",
    "drawing",
    "logits_of",
    "taps",
    "widen",
]
