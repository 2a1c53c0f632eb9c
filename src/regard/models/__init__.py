"""Published networks with sites for attention, and those of other libraries, by name."""

from regard.models.backbone import Backbone, create_backbone
from regard.models.bag import BagOfPatches, image_taps
from regard.models.captioner import Captioner, create_captioner
from regard.models.clipnet import ClipNet
from regard.models.clips import create_clip_network
from regard.models.cnn import CNN
from regard.models.description import Description, Site, describe
from regard.models.hard_head import HardHead
from regard.models.initialisation import initialise
from regard.models.published import PUBLISHED, Accuracy, Published
from regard.models.ram import RAM
from regard.models.resnet1d import ResNet1D
from regard.models.resnet3d import ResNet3D
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
    "Backbone",
    "BagOfPatches",
    "Captioner",
    "ClipNet",
    "Description",
    "Found",
    "HardHead",
    "Published",
    "ResNet1D",
    "ResNet3D",
    "Seq2Seq",
    "Site",
    "create",
    "create_backbone",
    "create_captioner",
    "create_clip_network",
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
