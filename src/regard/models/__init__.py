"""Published networks with sites for attention, and those of other libraries, by name."""

from regard.models.bag import BagOfPatches, image_taps
from regard.models.cnn import CNN
from regard.models.description import Description, Site, describe
from regard.models.hard_head import HardHead
from regard.models.initialisation import initialise
from regard.models.published import PUBLISHED, Accuracy, Published
from regard.models.ram import RAM
from regard.models.search import Found
from regard.models.seq2seq import Seq2Seq, create_seq2seq
from regard.models.state import load_state
from regard.models.widening import create_widened, width_for
from regard.models.zoo import create, is_foreign, is_looker, names, outline

__all__ = [
    "CNN",
    "PUBLISHED",
    "RAM",
    "Accuracy",
    "BagOfPatches",
    "Description",
    "Found",
    "HardHead",
    "Published",
    "Seq2Seq",
    "Site",
    "create",
    "create_seq2seq",
    "create_widened",
    "describe",
    "image_taps",
    "initialise",
    "is_foreign",
    "is_looker",
    "load_state",
    "names",
    "outline",
    "width_for",
]
