import pytest
import torch

from regard.core import OptionError
from regard.explanation import observe
from regard.models.clips import create_clip_network
from regard.models.resnet3d import FrameNorm
from tests.models.test_clipnet import padded, stirred


@pytest.mark.parametrize("attention", [None, "se", "cbam", "nonlocal", "frame_gate", "temporal_pool"])
def test_a_batch_equals_its_clips_one_by_one(attention):
    net, (clips, mask) = stirred("resnet3d:width=2", attention), padded([4, 1, 3])
    together = net(clips, mask)
    for row, (clip, count) in enumerate(zip(clips, mask.sum(1).tolist(), strict=True)):
        alone = net(clip[None, :, :count])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-12, atol=1e-12)


def test_normalisation_sees_only_what_is_there():
    norm, other = FrameNorm(2).double().train(), torch.nn.BatchNorm3d(2).double().train()
    clips = torch.randn(1, 2, 4, 3, 3, dtype=torch.float64)
    longer = torch.cat((clips, torch.full((1, 2, 2, 3, 3), torch.nan, dtype=torch.float64)), 2)
    found = norm(longer, torch.tensor([[True] * 4 + [False] * 2]))
    torch.testing.assert_close(found[:, :, :4], other(clips), rtol=1e-12, atol=1e-12)
    assert not found[:, :, 4:].any()
    torch.testing.assert_close(norm.norm.running_var, other.running_var, rtol=1e-12, atol=1e-12)


def test_gates_are_three_dimensional_in_every_block():
    net = create_clip_network("resnet3d:width=4", num_classes=3, in_channels=1, attention="cbam", seed=0)
    with observe(net.eval()) as maps:
        net(torch.randn(1, 1, 5, 8, 8))
    assert maps.one("blocks.0.attention.spatial.gate").values.shape == (1, 1, 5, 8, 8)
    assert maps.one("blocks.2.attention.spatial.gate").values.shape == (1, 1, 5, 2, 2)


def test_the_depth_is_that_of_its_layers():
    net = create_clip_network("resnet3d:width=2,depth=14", num_classes=3, in_channels=1, seed=0)
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv3d | torch.nn.Linear)]
    assert len([m for m in layers if getattr(m, "kernel_size", (3,))[0] == 3]) == 14
    for depth in (7, 9, True):
        with pytest.raises(OptionError, match=r"resnet3d: depth=.* must be 6 n \+ 2"):
            create_clip_network(f"resnet3d:depth={depth}", num_classes=3, in_channels=1, seed=0)


def test_a_convolution_is_not_replaced():
    with pytest.raises(OptionError, match="resnet3d: attention='sk' belongs at conv"):
        create_clip_network("resnet3d", num_classes=3, in_channels=1, attention="sk", seed=0)
