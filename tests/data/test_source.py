"""Splits, warnings and fingerprint of any source."""

import pytest
import torch

from regard.core.errors import DataError
from regard.data import ArrayImages
from regard.data.source import Holding, Opening, assemble, per_class


def invent(*counts, seed=0):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    images = torch.randint(0, 256, (len(labels), 1, 4, 4), generator=torch.Generator().manual_seed(seed))
    return ArrayImages(images.to(torch.uint8), labels, "x")


def source(train=(20, 20), val=(4, 4), test=(4, 4)):
    counts = {"train": train, "val": val, "test": test}
    parts = {
        split: given if isinstance(given, ArrayImages) else invent(*given, seed=seed)
        for seed, (split, given) in enumerate(counts.items())
    }
    return assemble(Holding("toy", ("cat", "dog"), parts), Opening(seed=0))


def test_a_sound_source_has_no_warnings():
    assert source().warnings == source().notes == ()
    assert source().counts() == {"train": (20, 20), "val": (4, 4), "test": (4, 4)}


def test_missing_splits_are_cut_with_a_note():
    toy = assemble(Holding("toy", ("cat", "dog"), {"train": invent(100, 40)}), Opening(seed=3))
    assert toy.counts() == {"train": (70, 28), "val": (15, 6), "test": (15, 6)}
    assert toy.notes == (
        "Cut from the training images, every class by its share, with seed 3: val (21 images) and test (21 images).",
    )
    toy = assemble(
        Holding("toy", ("cat", "dog"), {"train": invent(100, 40), "test": invent(5, 5, seed=1)}), Opening(seed=3)
    )
    assert toy.counts() == {"train": (85, 34), "val": (15, 6), "test": (5, 5)}


def test_imbalance_and_tiny_classes_are_warned_of():
    (imbalance,) = source(train=(31, 10)).warnings
    assert "'cat' has 31 training images, 'dog' has 10" in imbalance
    assert source(train=(30, 10)).warnings == ()
    assert any("Fewer than 10 training images have 'dog'" in w for w in source(train=(20, 9)).warnings)


def test_class_missing_in_a_split_is_warned():
    (said,) = source(val=(4,)).warnings
    assert "'val' has no image of 'dog'" in said


def test_images_in_two_splits_are_warned_of():
    whole = invent(20, 20)
    (said,) = source(val=whole.take(torch.tensor([3, 30]))).warnings
    assert said.startswith("2 images are both in 'train' and in 'val'")


def test_refused():
    with pytest.raises(DataError, match="one class only"):
        assemble(Holding("toy", ("cat",), {"train": invent(20)}), Opening(seed=0))
    with pytest.raises(DataError, match="no usable training image has the class 'dog'"):
        source(train=(20, 0))
    with pytest.raises(DataError, match="the split 'test' has no usable image"):
        source(test=invent(0, 0))
    with pytest.raises(DataError, match=r"too few usable training images \(2\) to cut the split 'val' from"):
        assemble(Holding("toy", ("cat", "dog"), {"train": invent(1, 1)}), Opening(seed=0))


def test_the_fingerprint_tells_content_labels_and_classes_apart():
    same = source().fingerprint
    assert source().fingerprint == same
    other = invent(4, 4, seed=1)
    other.images[0, 0, 0, 0] ^= 1
    assert source(val=other).fingerprint != same
    swapped = invent(4, 4, seed=1)
    swapped.labels = 1 - swapped.labels
    assert source(val=swapped).fingerprint != same
    parts = {"train": invent(20, 20), "val": invent(4, 4, seed=1), "test": invent(4, 4, seed=2)}
    assert assemble(Holding("toy", ("cat", "cow"), parts), Opening(seed=0)).fingerprint != same
    assert assemble(Holding("another name", ("cat", "dog"), parts), Opening(seed=9)).fingerprint == same


def test_images_with_several_classes_are_counted_in_each():
    assert per_class(torch.tensor([[1.0, 1, 0], [0, 1, 0]]), 3).tolist() == [1, 2, 0]
