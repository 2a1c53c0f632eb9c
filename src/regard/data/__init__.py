"""Images with labels from anywhere, in three splits, and batches of them that are reproducible bit for bit."""

from regard.data.account import Account, LeftOut
from regard.data.augmentation import AUGMENTS, Augment
from regard.data.cluttered import ClutteredImages
from regard.data.images import ArrayImages, Images, Statistics
from regard.data.kinds import Kind, kind_of
from regard.data.loading import loader
from regard.data.opening import Reading, open_for_scoring, open_source
from regard.data.pairs import Pairs, TextSource
from regard.data.preprocessing import Preprocessing, fit_warnings, preprocessing_for, scoring_warnings, unlike_warnings
from regard.data.reading import PIXEL_LIMIT, BadImage, BadImageError, read_image
from regard.data.sizing import Fit
from regard.data.source import Source
from regard.data.text_loading import TextCode, text_loader
from regard.data.tsv import open_text, open_text_to_score

__all__ = [
    "AUGMENTS",
    "PIXEL_LIMIT",
    "Account",
    "ArrayImages",
    "Augment",
    "BadImage",
    "BadImageError",
    "ClutteredImages",
    "Fit",
    "Images",
    "Kind",
    "LeftOut",
    "Pairs",
    "Preprocessing",
    "Reading",
    "Source",
    "Statistics",
    "TextCode",
    "TextSource",
    "fit_warnings",
    "kind_of",
    "loader",
    "open_for_scoring",
    "open_source",
    "open_text",
    "open_text_to_score",
    "preprocessing_for",
    "read_image",
    "scoring_warnings",
    "text_loader",
    "unlike_warnings",
]
