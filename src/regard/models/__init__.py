"""Published networks with a place for attention, and those of other libraries, by name."""

from regard.models.initialisation import initialise
from regard.models.zoo import create, names

__all__ = ["create", "initialise", "names"]
