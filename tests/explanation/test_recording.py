from dataclasses import replace

import pytest
import torch

from regard.explanation.recording import Recording, RunningMean
from tests.explanation.nets import Identity, Twice, classifier, invent


def record(net, batches, memory=2**30, seed=0):
    recording = Recording(memory, seed)
    index = 0
    with torch.no_grad():
        for batch in batches:
            with recording.record(net, None, range(index, index + len(batch.images))):
                net(batch.images)
            index += len(batch.images)
    return recording


def number_images(n):
    images = torch.arange(n, dtype=torch.float32)[:, None, None, None]
    return [replace(b, images=images[b.indices]) for b in invent(n, batch=7)]


def test_each_image_has_its_own_maps():
    recording = record(Identity(), number_images(20))
    (rows,) = recording.maps([3, 17, 3]).values()
    assert [row.item() for row in rows] == [3, 17, 3]
    assert recording.indices == tuple(range(20))


def test_calls_of_one_tap_are_distinguished():
    recording = record(Twice(), invent(5))
    assert {call: rows[0].item() for call, rows in recording.maps([4]).items()} == {
        ("tap", 0): pytest.approx(0.2),
        ("tap", 1): pytest.approx(0.9),
    }


def test_excess_maps_leave_random_sample_within_memory():
    room = 100 * torch.zeros(1).nbytes
    kept = [record(Identity(), number_images(1000), room, seed).indices for seed in range(60)]
    assert all(40 < len(indices) <= 100 for indices in kept)
    share_of_first_half = sum(p < 500 for indices in kept for p in indices) / sum(map(len, kept))
    assert abs(share_of_first_half - 0.5) < 0.05
    assert record(Identity(), number_images(1000), room).maps([999, *set(range(1000)) - set(kept[0])][:1]) is None


def test_two_images_stay_however_little_memory_there_is():
    assert len(record(Identity(), number_images(20), 1).indices) == 2


def test_without_memory_only_the_mean_is_kept():
    recording = record(Identity(), number_images(21), 0)
    assert recording.indices == ()
    assert recording.mean.like(("tap", 0), torch.zeros(5, 1, 1, 1)).item() == 10.0


def test_mean_pools_positions_of_unseen_sizes():
    mean = RunningMean()
    small, large = torch.rand(3, 1, 2, 2), torch.rand(5, 1, 4, 3)
    mean.add({("t", 0): small[:1]}, 1)
    mean.add({("t", 0): large}, 5)
    mean.add({("t", 0): small[1:]}, 2)
    torch.testing.assert_close(mean.like(("t", 0), torch.zeros(9, 1, 2, 2)), small.double().mean(0, keepdim=True))
    pooled = torch.cat([small.flatten(1).mean(1), large.flatten(1).mean(1)]).double().mean()
    torch.testing.assert_close(mean.like(("t", 0), torch.zeros(2, 1, 7, 7)), pooled.reshape(1, 1, 1, 1))


def test_a_pooled_mixed_map_keeps_its_channels():
    mean, values = RunningMean(), torch.rand(4, 3, 2, 2)
    mean.add({("t", 0): values}, 4)
    expected = values.double().mean((0, 2, 3)).reshape(1, 3, 1, 1)
    torch.testing.assert_close(mean.like(("t", 0), torch.zeros(2, 3, 5, 5)), expected)


def test_mean_of_equal_maps_is_exact():
    value = torch.rand(1, 6, 1, 1)
    mean = RunningMean()
    for b in (7, 3, 11):
        mean.add({("t", 0): value.expand(b, -1, -1, -1)}, b)
    assert torch.equal(mean.like(("t", 0), value).float(), value)


def test_one_map_for_all_images_counts_for_each():
    mean = RunningMean()
    mean.add({("t", 0): torch.full((1, 2, 1, 1), 1.0)}, 3)
    mean.add({("t", 0): torch.full((1, 2, 1, 1), 5.0)}, 1)
    assert mean.like(("t", 0), torch.zeros(1, 2, 1, 1)).flatten().tolist() == [2.0, 2.0]


def test_recording_does_not_change_the_network():
    net = classifier("cbam")
    x = invent(4)[0].images
    before = net(x)
    record(net, invent(12))
    assert torch.equal(net(x), before)
