import torch

from regard.attention.temporal.frames import clear_padding, frame_means
from tests.attention.drawn import features


def test_without_a_mask_nothing_is_copied():
    x = features(2, 3, 4)
    assert clear_padding("frame_gate", x, None) is x


def test_gaps_inside_a_clip_are_cleared_too():
    x, mask = features(1, 3, 4, 2, 2), torch.tensor([[True, False, True, False]])
    y = clear_padding("frame_gate", x, mask)
    assert torch.equal(y[:, :, mask[0]], x[:, :, mask[0]])
    assert not y[:, :, ~mask[0]].any()


def test_means_of_half_precision_are_taken_in_float32():
    x = torch.full((1, 1, 2, 64, 64), 100.0, dtype=torch.float16)
    assert frame_means(x).tolist() == [[[100.0, 100.0]]]
    assert frame_means(x).dtype == torch.float32
