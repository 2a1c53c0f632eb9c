from contextlib import nullcontext, suppress

import pytest
import torch
from torch import nn

from regard.explanation.batches import ImageSet
from regard.explanation.recalibration import normalisations, recalibrate, restore_state, use_statistics
from tests.explanation.nets import classifier, invent


def state(net):
    return (
        [buffer.clone() for buffer in net.buffers()],
        [m.training for m in net.modules()],
        [m.momentum for m in normalisations(net)],
    )


def same(one, other):
    return all(map(torch.equal, one[0], other[0])) and one[1:] == other[1:]


def test_statistics_are_averaged_over_images():
    net = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    batches = invent(20, batch=8)
    before = state(net)
    statistics = recalibrate(net, ImageSet(batches, "training"), lambda batch, indices: nullcontext())
    assert same(state(net), before)
    share = [8 / 20, 8 / 20, 4 / 20]
    mean = sum(s * b.images.mean((0, 2, 3)) for s, b in zip(share, batches, strict=True))
    variance = sum(s * b.images.var((0, 2, 3), unbiased=True) for s, b in zip(share, batches, strict=True))
    torch.testing.assert_close(statistics[0], mean)
    torch.testing.assert_close(statistics[1], variance)
    # The second normalisation saw what the first, with its batch's statistics, made of the batch.
    first = [nn.functional.batch_norm(b.images, None, None, training=True).relu() for b in batches]
    torch.testing.assert_close(statistics[3], sum(s * x.mean((0, 2, 3)) for s, x in zip(share, first, strict=True)))


def test_single_batch_normalises_as_in_training():
    net = classifier("cbam", channels=4)
    (batch,) = invent(64, batch=64)
    statistics = recalibrate(net, ImageSet([batch], "training"), lambda batch, indices: nullcontext())
    with restore_state(net):
        expected = net.train()(batch.images)
    with use_statistics(normalisations(net), statistics):
        torch.testing.assert_close(net(batch.images), expected, rtol=1e-2, atol=1e-2)  # unbiased against biased


def test_only_normalisations_train_and_single_image_is_skipped():
    modes, sizes = [], []

    class Spy(nn.Dropout):
        def forward(self, x):
            modes.append(self.training)
            sizes.append(len(x))
            return x

    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), Spy(), nn.Flatten(), nn.BatchNorm1d(4)).eval()
    recalibrate(net, ImageSet(invent(9, batch=4), "training"), lambda batch, indices: nullcontext())
    assert (modes, sizes) == ([False, False], [4, 4])


def test_everything_is_as_before_also_after_an_exception():
    net = classifier("cbam").train()
    net[1].eval()
    net[1].momentum = None
    before = state(net)
    with suppress(KeyError), restore_state(net):
        net.eval()
        net[1].momentum = 0.5
        net[1].running_mean.fill_(9.0)
        net[1].num_batches_tracked.add_(3)
        raise KeyError
    assert same(state(net), before)


def test_carried_statistics_end_with_the_block():
    net = nn.BatchNorm2d(4).eval()
    net.running_mean.uniform_()
    before = state(net)
    with suppress(KeyError), use_statistics([net], [torch.full((4,), 7.0), torch.ones(4), torch.tensor(5)]):
        assert net.running_mean[0] == 7.0
        raise KeyError
    assert same(state(net), before)


def test_a_normalisation_without_running_statistics_is_left_alone():
    assert normalisations(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.GroupNorm(1, 3))) == []


@pytest.mark.filterwarnings("ignore:Batch normalisation")
def test_normalisation_of_one_value_keeps_statistics():
    net = classifier("cbam", channels=4)
    net[1] = nn.Identity()  # PyTorch's own normalisation refuses single values
    before = state(net)
    statistics = recalibrate(net, ImageSet(invent(1, (1, 1)), "training"), lambda batch, indices: nullcontext())
    assert all(map(torch.equal, statistics, before[0]))
    assert same(state(net), before)


def test_failing_pass_changes_nothing():
    net = classifier("cbam", channels=4)
    before = state(net)
    with pytest.raises(ValueError, match="more than 1 value"):
        recalibrate(net, ImageSet(invent(1, (1, 1)), "training"), lambda batch, indices: nullcontext())
    assert same(state(net), before)
