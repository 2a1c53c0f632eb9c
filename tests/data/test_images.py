"""Images in memory."""

import numpy as np
import torch

from regard.data import ArrayImages, Statistics


def invent(count=12, channels=3):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, 6, 5), generator=generator).to(torch.uint8)
    return ArrayImages(images, torch.arange(count) % 3, "x_train")


def test_statistics_are_those_of_numpy():
    split = invent()
    values = split.images.numpy() / 255
    found = split.statistics()
    np.testing.assert_allclose(found.mean, values.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(found.std, values.std((0, 2, 3)), atol=1e-6)


def test_std_of_one_colour_is_zero():
    mean = torch.tensor([0.1], dtype=torch.float64)
    assert Statistics.of_moments(mean, mean**2 - 1e-18).std == (0.0,)


def test_a_subset_keeps_images_labels_and_names_together():
    whole = invent()
    part = whole.subset(6, seed=0)
    assert torch.bincount(part.labels).tolist() == [2, 2, 2]
    for i in range(6):
        number = int(part.names(i).removeprefix("x_train[").removesuffix("]"))
        assert torch.equal(part.read(i), whole.read(number))
        assert part.labels[i] == whole.labels[number]
    twice = part.subset(3, seed=0)
    assert {twice.names(i) for i in range(3)} <= {part.names(i) for i in range(6)}


def test_a_subset_of_all_is_all():
    assert len(invent().subset(12, seed=5)) == 12


def test_gather_is_many_reads():
    split = invent()
    assert torch.equal(split.gather([3, 0, 3]), torch.stack([split.read(3), split.read(0), split.read(3)]))


def test_equal_images_have_equal_contents():
    split = invent()
    split.images[4] = split.images[9]
    contents = split.contents()
    assert contents[4] == contents[9]
    assert len(set(contents)) == 11
    assert split.sizes().tolist() == [[6, 5]] * 12
