"""Published networks with a place for attention, and those of other libraries, by name."""

from regard.models.description import Description, Site, describe
from regard.models.initialisation import initialise
from regard.models.state import load_state
from regard.models.widening import widened, width_for
from regard.models.zoo import create, names

__all__ = ["Description", "Site", "create", "describe", "initialise", "load_state", "names", "widened", "width_for"]
