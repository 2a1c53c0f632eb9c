import pytest
import torch
from torchvision.models import resnet18

from regard import models
from regard.core import OptionError, ShapeError, UnknownNameError
from regard.models import create_backbone


@pytest.mark.parametrize("name", ["resnet8", "se_resnet8", "cnn:width=4,stages=2"])
def test_features_are_those_before_the_head(name):
    net, whole = (
        create_backbone(name, in_channels=1, seed=3).eval(),
        models.create(name, num_classes=2, in_channels=1, seed=3),
    )
    images = torch.randn(2, 1, 16, 24)
    whole.load_state_dict({**whole.state_dict(), **net.net.state_dict()})
    features = net(images)
    assert features.shape[1] == net.channels
    torch.testing.assert_close(whole.fc(features.mean((2, 3))), whole.eval()(images))


def test_a_torchvision_network_loses_its_head():
    net, whole = create_backbone("torchvision:resnet18", in_channels=3, seed=0).eval(), resnet18(weights=None).eval()
    missing = whole.load_state_dict(net.net.state_dict(), strict=False)
    assert missing.missing_keys == ["fc.weight", "fc.bias"]
    assert not missing.unexpected_keys
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(whole.fc(net(images).mean((2, 3))), whole(images))


def test_a_timm_network_loses_its_head():
    net = create_backbone("timm:test_resnet", in_channels=3, seed=0)
    assert net(torch.randn(2, 3, 64, 64)).shape[:2] == (2, net.channels)


def test_a_clip_is_its_frames():
    net, clip = create_backbone("cnn:width=4,stages=2", in_channels=1, seed=0).eval(), torch.randn(2, 1, 3, 8, 12)
    torch.testing.assert_close(net(clip)[:, 1], net(clip[:, :, 1]))


def test_what_has_no_feature_map():
    with pytest.raises(OptionError, match="looks at parts of an image itself"):
        create_backbone("ram", in_channels=1, seed=0)
    with pytest.raises(UnknownNameError):
        create_backbone("resnet7", in_channels=1, seed=0)
    with pytest.raises(UnknownNameError):
        create_backbone("timm:test_resnett", in_channels=1, seed=0)
    with pytest.raises(ShapeError, match="it must be floating point"):
        create_backbone("cnn:width=2", in_channels=1, seed=0)(torch.zeros(2, 3, 8, 8))
