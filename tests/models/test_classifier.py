import pytest
from torch import nn

from regard.core import OptionError
from regard.models.classifier import classifier_of


def test_the_last_linear_layer_is_found():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    assert classifier_of(net, 2, "clipnet") == "2"
    with pytest.raises(OptionError, match=r"Sequential cannot be applied to frames: .* its last one, '2', has 2"):
        classifier_of(net, 5, "clipnet")
    with pytest.raises(OptionError, match=r"bag: ReLU cannot be applied to patches: .* it has none"):
        classifier_of(nn.ReLU(), 5, "bag")
