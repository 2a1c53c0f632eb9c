"""The catalogue of attention mechanisms: a folder per family, a file per mechanism."""

from regard.attention.catalogue import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL, create, find, names
from regard.attention.exchange import export_weights, import_weights

__all__ = [
    "CATALOGUE",
    "CONTROLS",
    "LOOKING",
    "SEQUENTIAL",
    "create",
    "export_weights",
    "find",
    "import_weights",
    "names",
]
