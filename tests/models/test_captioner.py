import pytest
import torch

from regard.core import OptionError, ShapeError, UnknownNameError
from regard.core.look_record import LookRecord
from regard.core.vocabulary import BEGIN, PAD
from regard.explanation import look
from regard.models import create_captioner

SMALL = "captioner:backbone='cnn:width=3,stages=2',hidden=8,embedding=4"
IMAGES = torch.randn(3, 1, 8, 12, generator=torch.Generator().manual_seed(0))


def small(attention="additive:start=random", options="", **given):
    return create_captioner(SMALL + options, symbols=9, in_channels=1, attention=attention, seed=0, **given).eval()


@pytest.mark.parametrize("attention", ["additive:start=random", "sca_cnn:hidden=4", "hard_spatial", "coverage", None])
def test_the_search_follows_the_likeliest_symbols(attention):
    net = small(attention)
    found = net.answer(IMAGES, longest=4)
    for row, answer in enumerate(found.symbols):
        words = [n for n in answer.tolist() if n != PAD]
        logits = net(IMAGES[row : row + 1], torch.tensor([[BEGIN, *words[:-1]]]))
        logits[..., [PAD, BEGIN]] = -torch.inf
        assert logits[0].argmax(1).tolist() == words


def test_frames_are_positions_and_padding_changes_nothing():
    net, clip, target = small(), torch.randn(2, 1, 3, 8, 12), torch.randint(4, 9, (2, 3))
    mask = torch.tensor([[True, True, True], [True, True, False]])
    whole = net(clip, target, None, mask)
    torch.testing.assert_close(whole[1:], net(clip[1:, :, :2], target[1:]))
    torch.testing.assert_close(net(clip[:, :, :1], target), net(clip[:, :, 0], target))


def test_features_from_anywhere_can_be_read():
    net, features = small(), torch.randn(2, 7, 6)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    padded = net.decoder(torch.tensor([[1], [1]]), net.encode_features(features.masked_fill(~mask[..., None], 9), mask))
    alone = net.decoder(torch.tensor([[1]]), net.encode_features(features[1:, :4]))
    torch.testing.assert_close(padded[1:], alone)
    with pytest.raises(ShapeError, match="the features have shape"):
        net.encode_features(features[..., :5])
    with pytest.raises(ShapeError, match="the mask has shape"):
        net.encode_features(features, mask[:, :3])


def test_the_first_state_is_of_the_mean():
    net = small(None)
    encoded = net.encode(IMAGES)
    torch.testing.assert_close(encoded.last, net.backbone(IMAGES).mean((2, 3)))
    torch.testing.assert_close(net.decoder.start(encoded).hidden, torch.tanh(net.decoder.begin(encoded.last))[:, :8])


def test_a_record_has_a_look_a_symbol():
    net, record = small(), LookRecord()
    net(IMAGES, torch.randint(4, 9, (3, 5)), record=record)
    maps = look(net, (IMAGES, torch.randint(4, 9, (3, 5)))).maps
    rows, columns = net.grid(8, 12)
    assert record.steps == 5
    assert maps.steps("decoder.attention.mechanism.alignment").shape == (3, 5, rows * columns)
    torch.testing.assert_close(torch.stack(record.weights, 1).sum(2), torch.ones(3, 5))


def test_coordinates_tell_positions_apart():
    net = small(options=",coordinates=true")
    where = net.encode(torch.zeros(1, 1, 8, 12)).memory.values[0, :, 6:]
    assert where.shape[1] == 16
    assert len(where.unique(dim=0)) == where.shape[0]


def test_arms_share_initial_values():
    one, other = small("additive").state_dict(), small("sca_cnn:hidden=4").state_dict()
    shared = [name for name in one if name in other and "mechanism" not in name]
    assert "backbone.net.stages.0.0.weight" in shared
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_wrong_options_are_named():
    with pytest.raises(UnknownNameError, match=r"captioner:backbone=resnet20"):
        create_captioner("resnet20", symbols=5)
    with pytest.raises(OptionError, match="no option of 'captioner'"):
        create_captioner("captioner:hiden=3", symbols=5)
    with pytest.raises(OptionError, match="gate=true is not allowed without attention"):
        create_captioner("captioner:backbone=cnn,gate=true", symbols=5)
    with pytest.raises(OptionError, match="dropout=1"):
        create_captioner("captioner:backbone=cnn,dropout=1", symbols=5)
