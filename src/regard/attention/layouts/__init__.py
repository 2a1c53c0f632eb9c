"""The layouts of the mechanisms' parameters in other libraries: a file a library."""

LIBRARIES: tuple[str, ...] = (
    "timm",
    "torchvision",
    "pytorchcv",
    "official",
    "moskomule",
    "torch",
    "mmcv",
    "segmentation_models_pytorch",
    "image_segmentation",
)
"""The files."""
