"""Images with labels from anywhere, in three splits, and batches of them that are reproducible bit for bit."""

from regard.data.account import Account, LeftOut
from regard.data.augmentation import AUGMENTS, Augment
from regard.data.caption_loading import CaptionCode, caption_loader
from regard.data.caption_source import open_captions, open_captions_to_score
from regard.data.captions import Captions, CaptionSource
from regard.data.clip_loading import clip_loader, pad_clips
from regard.data.clip_opening import (
    open_clips,
    open_clips_to_predict,
    open_clips_to_score,
    open_sound,
    open_sound_to_score,
)
from regard.data.clip_preprocessing import ClipPreprocessing, clip_preprocessing_for
from regard.data.clips import ArrayClips, Clips, ClipSource
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
    "ArrayClips",
    "ArrayImages",
    "Augment",
    "BadImage",
    "BadImageError",
    "CaptionCode",
    "CaptionSource",
    "Captions",
    "ClipPreprocessing",
    "ClipSource",
    "Clips",
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
    "caption_loader",
    "clip_loader",
    "clip_preprocessing_for",
    "fit_warnings",
    "kind_of",
    "loader",
    "open_captions",
    "open_captions_to_score",
    "open_clips",
    "open_clips_to_predict",
    "open_clips_to_score",
    "open_for_scoring",
    "open_sound",
    "open_sound_to_score",
    "open_source",
    "open_text",
    "open_text_to_score",
    "pad_clips",
    "preprocessing_for",
    "read_image",
    "scoring_warnings",
    "text_loader",
    "unlike_warnings",
]
