"""Pictures with labels from anywhere, in three splits, and batches of them that can be had again bit for bit."""

from regard.data.augmentation import AUGMENTS, Augment
from regard.data.cluttered import ClutteredPictures
from regard.data.loading import loader
from regard.data.opening import open_source
from regard.data.pictures import ArrayPictures, Pictures, Statistics
from regard.data.preprocessing import Preprocessing, preprocessing_for
from regard.data.reading import PIXEL_LIMIT, BadPicture, BadPictureError, read_picture
from regard.data.source import Source

__all__ = [
    "AUGMENTS",
    "PIXEL_LIMIT",
    "ArrayPictures",
    "Augment",
    "BadPicture",
    "BadPictureError",
    "ClutteredPictures",
    "Pictures",
    "Preprocessing",
    "Source",
    "Statistics",
    "loader",
    "open_source",
    "preprocessing_for",
    "read_picture",
]
