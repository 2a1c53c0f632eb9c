"""The room opens without Lightning, and everything it names is there."""

import subprocess
import sys

import pytest

from regard import training


def test_everything_public_is_there():
    assert all(hasattr(training, name) for name in training.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = training.nothing


def test_weights_are_read_without_lightning():
    code = (
        "import sys; from regard.training import Recipe, load_weights, restore, resolve_device; "
        "print([m for m in ('lightning', 'torchmetrics', 'torchvision', 'tensorboard') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
