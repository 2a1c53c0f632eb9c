import math

import pytest
import torch

from regard import models
from regard.core import OptionError, ShapeError
from regard.explanation import observe
from regard.models.clips import create_clip_network

FORMS = {
    "the mean": ("clipnet:backbone='cnn:width=4,stages=2'", None),
    "temporal_pool": ("clipnet:backbone='cnn:width=4,stages=2'", "temporal_pool:heads=2"),
    "mil_pool": ("clipnet:backbone='cnn:width=4,stages=2'", "mil_pool"),
    "frame_gate": ("clipnet:backbone='cnn:width=4,stages=2'", "frame_gate"),
    "an LSTM": ("clipnet:backbone='cnn:width=4,stages=2',recurrent=plain,hidden=8", "temporal_pool"),
    "an LSTM that looks": ("clipnet:recurrent=attention,hidden=8", "frame_gate"),
    "nonlocal": ("clipnet:between=nonlocal", "temporal_pool"),
    "a gate in the backbone": ("clipnet", "se"),
}


def stirred(name, attention, channels=1):
    """The network in float64 and in evaluation mode, without weights of 0."""
    net = create_clip_network(name, num_classes=3, in_channels=channels, attention=attention, seed=0).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return net


def padded(lengths, filling=math.nan, size=(9, 12)):
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(len(lengths), 1, max(lengths), *size, generator=generator, dtype=torch.float64)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return clips.masked_fill(~mask[:, None, :, None, None], filling), mask


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_equals_its_clips_one_by_one(form):
    net, (clips, mask) = stirred(*FORMS[form]), padded([4, 1, 3])
    together = net(clips, mask)
    for row, (clip, count) in enumerate(zip(clips, mask.sum(1).tolist(), strict=True)):
        alone = net(clip[None, :, :count])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-12, atol=1e-12)


def test_padding_changes_nothing_while_it_trains():
    name, attention = FORMS["temporal_pool"]
    found = []
    for extra, filling in ((0, 0.0), (3, math.nan)):
        net = stirred(name, attention).train()
        clips, mask = padded([4, 2], filling=0.0)
        clips = torch.cat((clips, torch.full((2, 1, extra, 9, 12), filling, dtype=torch.float64)), 2)
        mask = torch.cat((mask, torch.zeros(2, extra, dtype=torch.bool)), 1)
        net(clips, mask).square().sum().backward()
        norms = [value for name, value in net.named_buffers() if "running" in name]
        found.append([*norms, *(p.grad for p in net.parameters())])
    for short, long in zip(*found, strict=True):
        torch.testing.assert_close(short, long, rtol=1e-12, atol=1e-12)


def test_maps_are_those_of_frames_and_steps():
    clips, mask = padded([4, 2], filling=0.0)
    net = stirred(*FORMS["an LSTM that looks"])
    with observe(net) as maps:
        net(clips, mask)
    assert maps.steps("lstm.spatial").shape == (2, 4, 1, 3, 3)
    assert maps.one("between.frame").values.shape[:3] == (2, 1, 4)
    torch.testing.assert_close(maps.steps("lstm.spatial").sum((3, 4)), torch.ones(2, 4, 1, dtype=torch.float64))


@pytest.mark.parametrize(
    ("backbone", "recurrent"), [("timm:test_resnet", "attention"), ("torchvision:resnet18", "none")]
)
def test_other_libraries_see_frames(backbone, recurrent):
    name = f"clipnet:backbone={backbone},recurrent={recurrent}"
    net = create_clip_network(name, num_classes=3, in_channels=3, seed=0)
    assert net.eval()(torch.randn(1, 3, 2, 32, 32)).shape == (1, 3)
    assert net.frames.net.training is False


def test_initial_values_are_those_of_every_arm():
    plain, pooled = (create_clip_network("clipnet", num_classes=3, in_channels=1, attention=a, seed=4)
                     for a in (None, "temporal_pool"))  # fmt: skip
    other = pooled.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in plain.state_dict().items())


@pytest.mark.parametrize(
    ("name", "attention", "message"),
    [
        ("clipnet", "additive", "clipnet: attention='additive' answers queries"),
        ("clipnet:between=frame_gate", "frame_gate", "have the same place"),
        ("clipnet:between=sk", None, "clipnet: 'sk' cannot rescale the frames of a clip"),
        ("clipnet:recurrent=yes", None, "clipnet: recurrent='yes' is not allowed"),
    ],
)
def test_what_has_no_place_is_refused(name, attention, message):
    with pytest.raises(OptionError, match=message):
        create_clip_network(name, num_classes=3, in_channels=1, attention=attention, seed=0)


def test_wrong_clips_are_refused():
    net = models.create_clip_network("clipnet", num_classes=3, in_channels=1, seed=0)
    with pytest.raises(ShapeError, match=r"clipnet: the clips have shape \(2, 3, 4, 9, 9\)"):
        net(torch.randn(2, 3, 4, 9, 9))
    with pytest.raises(ShapeError, match=r"clipnet: mask has shape \(2, 5\)"):
        net(torch.randn(2, 1, 4, 9, 9), torch.ones(2, 5, dtype=torch.bool))
