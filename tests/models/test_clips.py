import pytest

from regard import models
from regard.core import OptionError, UnknownNameError
from regard.models.clips import CLIP_NETWORKS, create_clip_network
from regard.models.zoo import TIMED


def test_every_network_is_known_to_the_zoo():
    assert set(TIMED) == set(CLIP_NETWORKS)
    for name in TIMED:
        assert not models.is_foreign(f"{name}:width=4")
        with pytest.raises(OptionError, match="takes clips or sounds, not images"):
            models.create(name)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(UnknownNameError, match="There is no network for clips named 'resnet18'"):
        create_clip_network("resnet18", num_classes=3, in_channels=1)
    with pytest.raises(OptionError, match="option of 'clipnet' named 'hiden'"):
        create_clip_network("clipnet:hiden=4", num_classes=3, in_channels=1)
