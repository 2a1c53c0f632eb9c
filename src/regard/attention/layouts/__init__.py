"""How other libraries store the parameters of the mechanisms: a file a library."""

LIBRARIES: tuple[str, ...] = (
    "timm",
    "torchvision",
    "pytorchcv",
    "official",
    "torch",
    "mmcv",
    "segmentation_models_pytorch",
    "image_segmentation",
)
"""The files."""
