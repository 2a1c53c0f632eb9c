"""Seeing, replacing and judging the maps of any network with taps."""

from regard.explanation.ablation import ablate
from regard.explanation.activity import ActiveChannels
from regard.explanation.batches import Batches
from regard.explanation.evidence import Drop
from regard.explanation.excitation import ClassGates, gates_by_class
from regard.explanation.looking import Looks, look
from regard.explanation.observation import observe
from regard.explanation.paths import Paths
from regard.explanation.replacement import replace_maps
from regard.explanation.verdict import MODES, Ablation, Mode, Row

__all__ = [
    "MODES",
    "Ablation",
    "ActiveChannels",
    "Batches",
    "ClassGates",
    "Drop",
    "Looks",
    "Mode",
    "Paths",
    "Row",
    "ablate",
    "gates_by_class",
    "look",
    "observe",
    "replace_maps",
]
