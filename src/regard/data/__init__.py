"""Pictures with labels from anywhere, in three splits, and batches of them that can be had again bit for bit."""

from regard.data.account import Account, LeftOut
from regard.data.augmentation import AUGMENTS, Augment
from regard.data.cluttered import ClutteredPictures
from regard.data.loading import loader
from regard.data.opening import Reading, open_for_scoring, open_source
from regard.data.pictures import ArrayPictures, Pictures, Statistics
from regard.data.preprocessing import Preprocessing, fit_warnings, preprocessing_for, scoring_warnings, unlike_warnings
from regard.data.reading import PIXEL_LIMIT, BadPicture, BadPictureError, read_picture
from regard.data.sizing import Fit
from regard.data.source import Source

__all__ = [
    "AUGMENTS",
    "PIXEL_LIMIT",
    "Account",
    "ArrayPictures",
    "Augment",
    "BadPicture",
    "BadPictureError",
    "ClutteredPictures",
    "Fit",
    "LeftOut",
    "Pictures",
    "Preprocessing",
    "Reading",
    "Source",
    "Statistics",
    "fit_warnings",
    "loader",
    "open_for_scoring",
    "open_source",
    "preprocessing_for",
    "read_picture",
    "scoring_warnings",
    "unlike_warnings",
]
