import pytest
import torch

from regard.explanation import look
from regard.models import create_captioner
from regard.recipes.caption_maps import step_maps


@pytest.mark.parametrize("attention", ["additive", "sca_cnn:hidden=4", "hard_spatial"])
def test_only_the_decoder_looks_at_each_step(attention):
    net = create_captioner("captioner:backbone=cbam_resnet8,hidden=8", symbols=9, in_channels=1, attention=attention)
    looks = look(net, (torch.randn(2, 1, 16, 24), torch.randint(4, 9, (2, 3))))
    (weights,) = step_maps(looks.maps, 3).values()
    assert weights.shape == (2, 3, 24)
    torch.testing.assert_close(weights.sum(2), torch.full((2, 3), 24.0 if "sca" in attention else 1.0))
