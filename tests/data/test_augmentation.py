"""Augmentation: what may change, and what stays."""

import pickle

import pytest
import torch

from regard.core.errors import OptionError
from regard.core.seeding import use_seed
from regard.data.augmentation import AUGMENTS, Shift, build_augmentation


def ramp(channels=1, size=16):
    """An image in which every pixel is another, none of them black."""
    values = torch.arange(channels * size * size).reshape(channels, size, size)
    return (values % 255 + 1).to(torch.uint8)


@pytest.mark.parametrize("mirror", [False, True])
def test_light_shifts_and_mirrors_every_second(mirror):
    shifted, seen, mirrored = Shift((16, 16), mirror=mirror), set(), 0
    padded = torch.nn.functional.pad(ramp(), (2, 2, 2, 2))
    shifts = {}
    for down in range(5):
        for right in range(5):
            cut = padded[:, down : down + 16, right : right + 16]
            shifts[cut.numpy().tobytes()] = (down, right, False)
            shifts[cut.flip(2).numpy().tobytes()] = (down, right, True)
    with use_seed(0):
        for _ in range(1000):
            shift = shifts[shifted(ramp()).contiguous().numpy().tobytes()]
            seen.add(shift[:2])
            mirrored += shift[2]
    assert len(seen) == 25
    assert 430 < mirrored < 570 if mirror else mirrored == 0


def test_light_on_many_is_light_on_each():
    shifted = Shift((16, 12), mirror=True)
    images = torch.randint(0, 256, (50, 3, 16, 12), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    draws = torch.rand(50, 3, generator=torch.Generator().manual_seed(1))
    together = shifted.apply_draws(images, draws)
    for i in range(50):
        assert torch.equal(together[i], shifted.apply_draws(images[i : i + 1], draws[i : i + 1])[0])
    assert together.is_contiguous()


def test_a_draw_at_either_end_stays_inside():
    shifted = Shift((16, 16), mirror=False)
    last = torch.tensor(1.0).nextafter(torch.tensor(0.0)).expand(1, 3)
    assert shifted.apply_draws(ramp()[None], last).shape == (1, 1, 16, 16)
    assert torch.equal(shifted.apply_draws(ramp()[None], torch.full((1, 3), 0.5))[0], ramp())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["exact", "crop"])
@pytest.mark.parametrize("augment", AUGMENTS)
def test_augmentations_keep_size_and_draw_from_torch(channels, resize, augment):
    transform = build_augmentation(augment, (16, 16), resize, mirror=True, fill=(0.5,) * channels)
    image = torch.randint(0, 256, (channels, 20, 30), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for seed in range(8):
        with use_seed(seed):
            one = transform(image)
        with use_seed(seed):
            other = transform(image)
        assert one.shape == (channels, 16, 16)
        assert one.dtype == torch.uint8
        assert torch.equal(one, other)


def test_none_changes_nothing_and_the_others_do():
    for augment in AUGMENTS:
        transform = build_augmentation(augment, (16, 16), "exact", mirror=False, fill=(0.5,))
        with use_seed(0):
            outcomes = {transform(ramp()).contiguous().numpy().tobytes() for _ in range(30)}
        assert (len(outcomes) == 1) == (augment == "none")


def test_what_must_not_be_mirrored_is_not():
    rising = (torch.arange(8, 248, 8).expand(1, 30, 30)).to(torch.uint8)
    for mirror, directions in ((False, {1}), (True, {1, -1})):
        transform = build_augmentation("standard", (16, 16), "crop", mirror=mirror, fill=(0.5,))
        with use_seed(0):
            changed = [transform(rising).int() for _ in range(40)]
        assert {int((x[0, 8, 12] - x[0, 8, 3]).sign()) for x in changed} == directions
        assert (
            "RandomHorizontalFlip" in str(build_augmentation("strong", (16, 16), "crop", mirror=mirror, fill=(0.5,)))
        ) == mirror


def test_an_unknown_one_is_refused_with_the_choices():
    with pytest.raises(OptionError, match="'auto', 'none', 'light', 'standard', 'strong'"):
        build_augmentation("heavy", (16, 16), "exact", mirror=True, fill=(0.5,))


def test_transforms_can_be_pickled():
    for augment in AUGMENTS:
        transform = pickle.loads(pickle.dumps(build_augmentation(augment, (16, 16), "crop", mirror=True, fill=(0.5,))))
        assert transform(ramp()).shape == (1, 16, 16)
