"""Check of the precisions that a device supports."""

import torch

from regard.core.errors import OptionError
from regard.training.recipe import Precision


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raises an `OptionError` if `device` cannot train in `precision`."""
    if precision == "float32" or (precision == "bfloat16" and device.type == "cpu"):
        return
    if device.type != "cuda":
        others = "float32 or bfloat16" if device.type == "cpu" else "float32"
        raise OptionError(
            f"recipe: precision={precision!r} is not possible on the device {device.type!r}; "
            f"choose {others}, or --device cuda."
        )
    if precision == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise OptionError(
            f"recipe: precision='bfloat16' is not possible on {torch.cuda.get_device_name(device)}, which does not "
            "support it; choose float16 or float32."
        )
