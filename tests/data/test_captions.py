import torch

from regard.data import ArrayImages, Captions
from regard.data.captions import captions_fingerprint

IMAGES = ArrayImages(torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2), torch.zeros(3).long(), "x")
TEXTS = [["a", "b"], ["c"], ["d", "d"]]


def test_an_image_is_learnt_once_a_text():
    made = Captions.of(IMAGES, TEXTS)
    assert made.targets == ("a", "b", "c", "d", "d")
    assert made.references == (("a", "b"), ("b", "a"), ("c",), ("d",), ("d",))
    assert torch.equal(made.images.read(1), IMAGES.read(0))


def test_an_image_is_scored_once():
    made = Captions.of(IMAGES, TEXTS, each_image_once=True)
    assert (made.targets, made.references) == (("a", "c", "d"), (("a", "b"), ("c",), ("d",)))
    assert made.images is IMAGES


def test_a_subset_keeps_images_with_texts():
    made = Captions.of(IMAGES, TEXTS)
    part = made.subset(3, seed=1)
    numbers = [made.targets.index(text) for text in part.targets]
    assert numbers == sorted(numbers)
    assert all(torch.equal(part.images.read(n), made.images.read(i)) for n, i in enumerate(numbers))
    assert made.subset(9, seed=1) is made


def test_a_fingerprint_sees_texts_and_images():
    made = Captions.of(IMAGES, TEXTS)
    other = Captions.of(IMAGES, [["a", "b"], ["e"], ["d", "d"]])
    assert len({captions_fingerprint({"train": part}) for part in (made, other, made.take(torch.tensor([0])))}) == 3
