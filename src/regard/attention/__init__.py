"""The catalogue of attention mechanisms: a folder per family, a file per mechanism."""

from regard.attention.catalogue import CATALOGUE, CONTROLS, create, find, names

__all__ = ["CATALOGUE", "CONTROLS", "create", "find", "names"]
