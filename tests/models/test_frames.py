import pytest
import torch

from regard import attention, models
from regard.core import OptionError
from regard.models.frames import FrameEncoder, attend, clip_mechanism, features_of, mean_frames, takes_mask


def test_padded_frames_do_not_run_through_the_network():
    seen = []
    net = models.create("resnet8", num_classes=4, in_channels=1, seed=0)
    net.conv1.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    encoder = FrameEncoder(net, 4, 1, maps=False)
    encoder.eval()(torch.randn(2, 1, 5, 8, 8), torch.arange(5) < torch.tensor([[5], [2]]))
    assert seen == [7]


def test_features_with_positions_lead_to_the_vectors():
    net = models.create("resnet8", num_classes=4, in_channels=1, seed=0).eval()
    clips = torch.randn(1, 1, 3, 16, 16)
    maps = FrameEncoder(net, 4, 1, maps=True)
    vectors = maps(clips, None).mean((3, 4))
    maps.maps = False
    torch.testing.assert_close(vectors, maps(clips, None))


def test_only_mechanisms_with_masks_take_them():
    assert takes_mask(attention.create("frame_gate", channels=8))
    assert not takes_mask(attention.create("se", channels=8))
    assert not takes_mask(torch.nn.ReLU())


def test_a_mechanism_without_masks_sees_clips_alone():
    gate = attention.create("se", channels=8, reduction=2).double()
    x, mask = torch.randn(3, 8, 4, dtype=torch.float64), torch.arange(4) < torch.tensor([[4], [0], [2]])
    y = attend(gate, torch.where(mask.unsqueeze(1), x, 0), mask)
    torch.testing.assert_close(y[:1], gate(x[:1]))
    torch.testing.assert_close(y[2:, :, :2], gate(x[2:, :, :2]))
    assert not y[1].any()


def test_means_leave_padding_out():
    x = torch.tensor([[[1.0, 3.0, 9.0]], [[5.0, 5.0, 5.0]]])
    assert mean_frames(x, torch.tensor([[True, True, False], [False] * 3])).tolist() == [[2.0], [0.0]]


def test_networks_without_positions_are_refused():
    with pytest.raises(OptionError, match="does not say which part of it computes features"):
        features_of(torch.nn.Linear(3, 2))
    with pytest.raises(OptionError, match="'mil_pool' cannot rescale the frames of a clip"):
        clip_mechanism("clipnet", "mil_pool", 8, dims=3)
