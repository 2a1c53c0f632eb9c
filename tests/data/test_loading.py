"""Batches: the same bit for bit whatever the workers, the order and the augmentation as seeded."""

import pickle

import pytest
import torch

from regard.core.errors import DataError, OptionError
from regard.data import ArrayImages, BadImageError, Preprocessing, loader, open_source, preprocessing_for

SMALL = Preprocessing(size=(12, 12), channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)


def invent(*counts):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts or (17, 9, 4))])
    images = torch.randint(0, 256, (len(labels), 3, 12, 12), generator=torch.Generator().manual_seed(0))
    return ArrayImages(images.to(torch.uint8), labels, "x")


def epoch(batches, number=0):
    batches.sampler.set_epoch(number)
    return list(batches)


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.indices, b.indices)


def test_a_batch_is_images_labels_and_their_numbers():
    split = invent()
    batches = epoch(loader(split, SMALL, batch_size=8))
    assert [len(batch.labels) for batch in batches] == [8, 8, 8, 6]
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(30))
    for batch in batches:
        assert batch.indices.dtype == batch.labels.dtype == torch.int64
        assert batch.images.is_contiguous()
        assert torch.equal(batch.labels, split.labels[batch.indices])
        assert torch.equal(batch.images, SMALL.eval()(split.images[batch.indices]))


@pytest.mark.parametrize("augment", ["light", "standard", "strong"])
def test_two_workers_give_the_batches_of_none(augment):
    split = invent()
    here, there = (loader(split, SMALL, batch_size=7, augment=augment, seed=3, shuffle=True, workers=n) for n in (0, 2))
    for number in (0, 1):
        same(epoch(here, number), epoch(there, number))


def test_workers_do_not_change_batches_from_files(plant):
    for label in ("a", "b"):
        root = plant(label, 9, size=(40, 50))
        plant(label, 9, size=(70, 45), suffix="jpg")
    source = open_source(f"folder:{root}")
    preprocessing = preprocessing_for(source, 24)
    here, there = (
        loader(source.splits["train"], preprocessing, batch_size=5, augment="auto", shuffle=True, workers=n)
        for n in (0, 2)
    )
    same(epoch(here, 1), epoch(there, 1))


def test_order_depends_on_seed_and_epoch():
    def order(seed, number):
        found = loader(invent(), SMALL, batch_size=30, seed=seed, shuffle=True)
        return epoch(found, number)[0].indices.tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, number)) for seed in (0, 1) for number in (0, 1)}) == 4
    assert sorted(order(0, 1)) == list(range(30))


def test_augmentation_does_not_depend_on_the_batch():
    split = invent()

    def images(seed, number, size, shuffle):
        batches = epoch(loader(split, SMALL, batch_size=size, augment="light", seed=seed, shuffle=shuffle), number)
        order = torch.cat([batch.indices for batch in batches]).argsort()
        return torch.cat([batch.images for batch in batches])[order]

    first = images(0, 0, 4, True)
    assert torch.equal(first, images(0, 0, 30, False))
    assert not torch.equal(first, images(0, 1, 30, False))
    assert not torch.equal(first, images(1, 0, 30, False))


@pytest.mark.parametrize("augment", ["light", "standard", "strong"])
def test_loader_leaves_global_random_state_alone(augment):
    batches = loader(invent(), SMALL, batch_size=7, augment=augment, shuffle=True)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = epoch(batches)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    same(first, epoch(batches))


def test_balanced_sampling_is_even_over_classes_and_images():
    split = invent(17, 9, 4)
    batches = loader(split, SMALL, batch_size=30, augment="light", balanced=True)
    (batch,) = epoch(batches)
    assert torch.bincount(batch.labels).tolist() == [10, 10, 10]
    times = torch.bincount(batch.indices, minlength=30)
    assert times[:17].max() == 1
    assert set(times[17:26].tolist()) == {1, 2}
    assert set(times[26:].tolist()) == {2, 3}
    same([batch], epoch(batches))
    assert batch.indices.tolist() != epoch(batches, 1)[0].indices.tolist()


def test_an_image_taken_again_is_augmented_anew():
    (batch,) = epoch(loader(invent(29, 1), SMALL, batch_size=30, augment="light", balanced=True))
    again = batch.images[batch.indices == 29]
    assert len(again) == 15
    assert len({image.numpy().tobytes() for image in again}) > 5


def test_a_loader_can_be_sent_to_another_process():
    batches = loader(invent(), SMALL, batch_size=7, augment="strong", shuffle=True)
    copy = pickle.loads(pickle.dumps(batches.dataset))
    same([copy.__getitems__([(0, 3), (0, 4)])], [batches.dataset.__getitems__([(0, 3), (0, 4)])])
    assert len(copy[0, 3].labels) == 1


def test_drop_last_leaves_the_smaller_batch_out():
    assert [len(b.labels) for b in epoch(loader(invent(), SMALL, batch_size=8, drop_last=True))] == [8, 8, 8]
    with pytest.raises(DataError, match="30 images make no batch of 31"):
        loader(invent(), SMALL, batch_size=31, drop_last=True)


def test_options_are_checked():
    several = invent()
    several.labels = torch.nn.functional.one_hot(several.labels).float()
    with pytest.raises(OptionError, match="balanced=True is not allowed"):
        loader(several, SMALL, batch_size=4, balanced=True)
    assert next(iter(loader(several, SMALL, batch_size=4))).labels.shape == (4, 3)
    with pytest.raises(OptionError, match="batch_size=0"):
        loader(several, SMALL, batch_size=0)
    with pytest.raises(OptionError, match="augment='heavy'"):
        loader(several, SMALL, batch_size=4, augment="heavy")


@pytest.mark.parametrize("workers", [0, 1])
def test_file_broken_since_check_is_one_sentence(plant, workers):
    for label in ("a", "b"):
        root = plant(label, 9)
    source = open_source(f"folder:{root}")
    train = source.splits["train"]
    (root / train.names(3)).write_bytes(b"")
    batches = loader(train, preprocessing_for(source), batch_size=4, workers=workers)
    with pytest.raises(BadImageError) as error:
        list(batches)
    assert str(error.value).startswith(f"The image {root / train.names(3)} cannot be used: the file is empty")
    assert "Traceback" not in str(error.value)


def test_a_truncated_file_does_not_stop_an_epoch(plant):
    for label in ("a", "b"):
        root = plant(label, 12, size=(60, 50), suffix="jpg")
    bad = root / "a/003.jpg"
    bad.write_bytes(bad.read_bytes()[:900])
    source = open_source(f"folder:{root}")
    preprocessing = preprocessing_for(source, 16)
    seen = sum(
        len(batch.labels)
        for split in source.splits.values()
        for batch in loader(split, preprocessing, batch_size=4, augment="standard")
    )
    assert seen == 23
    assert [image.path for image in source.account.bad] == [str(bad)]
