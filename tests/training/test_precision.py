"""A precision that a device has not is refused in a sentence."""

import pytest
import torch

from regard.core import OptionError
from regard.training.precision import check_precision

CPU, MPS = torch.device("cpu"), torch.device("mps")


def test_precision_is_checked_for_the_device():
    check_precision("float32", CPU)
    check_precision("float32", MPS)
    check_precision("bfloat16", CPU)
    with pytest.raises(OptionError, match="choose float32 or bfloat16, or --device cuda"):
        check_precision("float16", CPU)
    with pytest.raises(OptionError, match="choose float32, or --device cuda"):
        check_precision("bfloat16", MPS)
