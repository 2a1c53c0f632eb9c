"""From records to a page: the schema of results, their statistics, figures and one self-contained report."""

from regard.report.files import read_results, write_results
from regard.report.gallery import ActiveChannels, ArmOverlay, GalleryImage, GalleryText, Prediction
from regard.report.overlays import Overlay, overlay, png
from regard.report.results import (
    SCHEMA,
    AblationRow,
    Arm,
    Choice,
    Comparison,
    Data,
    GateProfile,
    Interval,
    LeftOut,
    Memory,
    Outcome,
    Results,
    Settings,
    Timing,
    Trial,
)

__all__ = [
    "SCHEMA",
    "AblationRow",
    "ActiveChannels",
    "Arm",
    "ArmOverlay",
    "Choice",
    "Comparison",
    "Data",
    "GalleryImage",
    "GalleryText",
    "GateProfile",
    "Interval",
    "LeftOut",
    "Memory",
    "Outcome",
    "Overlay",
    "Prediction",
    "Results",
    "Settings",
    "Timing",
    "Trial",
    "overlay",
    "png",
    "read_results",
    "write_results",
]
