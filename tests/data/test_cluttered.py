import numpy as np
import pytest
import torch

from regard.core.errors import DataError, OptionError
from regard.data import loader, open_for_scoring, open_source, preprocessing_for
from regard.data.cluttered import ClutteredImages, Scene
from regard.data.images import ArrayImages

LABELS = torch.arange(6) % 2


def base(size=7, value=None):
    torch.manual_seed(0)
    images = torch.randint(1, 200, (6, 1, size, size), dtype=torch.uint8)
    return ArrayImages(images if value is None else torch.full_like(images, value), LABELS, "x")


def made(**options):
    return ClutteredImages(base(), options.pop("scene", Scene(20, 2, 3)), **{"seed": 1, "split": "train", **options})


def test_the_image_lies_in_its_box():
    canvases_of = made(scene=Scene(20, 0, 3))
    canvases, boxes = canvases_of.gather(range(6)), canvases_of.boxes(range(6))
    for canvas, image, (left, top, right, bottom) in zip(canvases, base().images, boxes.tolist(), strict=True):
        assert torch.equal(canvas[:, top:bottom, left:right], image)
        assert canvas.sum() == image.sum(), "and nothing else is there"


def test_pieces_come_from_other_images_of_the_split():
    """Combined by maximum: dark images of one value each leave exactly their own values."""
    images = torch.arange(1, 7, dtype=torch.uint8)[:, None, None, None].expand(6, 1, 7, 7).contiguous()
    canvases_of = ClutteredImages(ArrayImages(images, LABELS, "x"), Scene(30, 5, 3), seed=1, split="train")
    canvases = canvases_of.gather(range(6))
    assert set(canvases.unique().tolist()) <= set(range(7))
    assert len(canvases[0].unique()) > 2, "other images are among them"
    for number, (canvas, box) in enumerate(zip(canvases, canvases_of.boxes(range(6)).tolist(), strict=True)):
        left, top, right, bottom = box
        inside = canvas[:, top:bottom, left:right]
        assert (inside >= number + 1).all(), "a piece hides nothing that is brighter"
        assert (canvas > 0).sum() <= 49 + 5 * 9


def test_a_canvas_depends_on_nothing_beside_it():
    canvases_of = made()
    together = canvases_of.gather([0, 3, 5])
    assert torch.equal(canvases_of.read(3), together[1])
    taken = canvases_of.take(torch.tensor([3, 5]))
    assert torch.equal(taken.gather([0, 1]), together[1:])
    assert torch.equal(taken.boxes([0]), canvases_of.boxes([3]))


def test_only_training_images_are_drawn_anew():
    train, val = made(), made(split="val")
    assert not torch.equal(train.read(0), train.at_epoch(1).read(0))
    assert torch.equal(train.at_epoch(3).read(0), train.at_epoch(3).read(0))
    assert torch.equal(val.read(0), val.at_epoch(1).read(0))
    assert not torch.equal(train.read(0), val.read(0))
    assert not torch.equal(train.read(0), made(seed=2).read(0))


def test_positions_are_spread_over_the_canvas():
    images = torch.ones(4000, 1, 2, 2, dtype=torch.uint8)
    canvases_of = ClutteredImages(
        ArrayImages(images, torch.zeros(4000, dtype=torch.int64), "x"), Scene(5, 0, 1), seed=1, split="train"
    )
    lefts = torch.bincount(canvases_of.boxes(range(4000))[:, 0], minlength=4)
    assert len(lefts) == 4
    assert ((lefts - 1000).abs() < 4 * (4000 * 0.25 * 0.75) ** 0.5).all()


def test_a_loader_gives_other_canvases_each_epoch():
    source = open_source("cluttered:mnist-mini:size=40,pieces=1")
    preprocessing = preprocessing_for(source)
    assert (preprocessing.size, preprocessing.resize) == ((40, 40), "exact")
    train = loader(source.splits["train"], preprocessing, batch_size=4)
    first = next(iter(train)).images
    train.sampler.set_epoch(1)
    assert not torch.equal(first, next(iter(train)).images)
    train.sampler.set_epoch(0)
    assert torch.equal(first, next(iter(train)).images)
    val = loader(source.splits["val"], preprocessing, batch_size=4)
    before = next(iter(val)).images
    val.sampler.set_epoch(1)
    assert torch.equal(before, next(iter(val)).images)


def test_a_large_canvas_is_kept_whole():
    source = open_source("cluttered:mnist-mini:size=100,pieces=8")
    assert preprocessing_for(source).size == (100, 100)
    assert preprocessing_for(source).resize == "exact"


def test_it_keeps_classes_splits_and_tells_scenes_apart():
    plain, source = open_source("mnist-mini"), open_source("cluttered:mnist-mini:pieces=0")
    assert source.classes == plain.classes
    assert source.counts() == plain.counts()
    other = open_source("cluttered:mnist-mini:pieces=1")
    assert len({plain.fingerprint, source.fingerprint, other.fingerprint}) == 3
    assert source.splits["test"].names(3).endswith("among clutter")
    assert len(set(source.splits["val"].contents()[:50])) == 50


@pytest.fixture
def npz(tmp_path):
    """Labels 0 and 1; sixty images, each of one brightness from 1 to 60 and nothing else."""
    images = np.arange(1, 61, dtype=np.uint8)[:, None, None].repeat(5, 1).repeat(5, 2)
    np.savez(tmp_path / "plain.npz", x_train=images, y_train=np.arange(60) % 2)
    return f"npz:{tmp_path}/plain.npz"


def test_missing_splits_are_cut_before_clutter_is(npz):
    source, plain = open_source(f"cluttered:{npz}:size=30,pieces=9,piece=2"), open_source(npz)
    assert source.counts() == plain.counts()
    assert source.account == plain.account
    assert source.notes == plain.notes
    for split, canvases in source.splits.items():
        own = set(plain.splits[split].images.unique().tolist())
        assert set(canvases.gather(range(len(canvases))).unique().tolist()) <= own | {0}


def test_another_source_is_scored_whole(npz):
    source = open_for_scoring(f"cluttered:{npz}:size=30,pieces=1,piece=2", ("1", "2", "0"))
    whole = source.splits["all"]
    assert source.classes == ("1", "2", "0")
    assert source.counts()["all"] == (30, 0, 30)
    assert source.account == open_for_scoring(npz, source.classes).account
    assert torch.equal(whole.gather([3]), whole.at_epoch(4).gather([3])), "nothing is drawn anew"
    left, top, *_ = whole.boxes([1])[0].tolist()
    assert whole.read(1)[0, top, left] == 2, "the second image"
    assert whole.labels[1] == 0, "whose class was 1"


def test_splits_of_its_own_keep_their_canvases():
    text = "cluttered:mnist-mini:size=40,pieces=2"
    source = open_source(text)
    scored = open_for_scoring(text, source.classes)
    assert torch.equal(scored.splits["test"].read(7), source.splits["test"].read(7))
    again = open_for_scoring(text, source.classes, fingerprint=source.fingerprint)
    assert set(again.splits) == {"train", "val", "test"}, "it is what was trained on"


def test_an_image_in_two_splits_is_warned_of(tmp_path):
    images, labels = np.random.default_rng(0).integers(1, 255, (40, 5, 5), np.uint8), np.arange(40) % 2
    both = {"x_train": images, "y_train": labels, "x_test": images[:3], "y_test": labels[:3]}
    np.savez(tmp_path / "both.npz", **both)
    warnings = open_source(f"cluttered:npz:{tmp_path}/both.npz:piece=2").warnings
    assert any("'train' and in 'test'" in warning for warning in warnings)


@pytest.mark.parametrize(
    "options", [{"labels": "a.csv"}, {"groups": "folder"}, {"splits": "none"}, {"classes": ("1",)}]
)
def test_options_of_folders_are_refused(options):
    with pytest.raises(OptionError, match="goes with folder:PATH only"):
        open_source("cluttered:mnist-mini", **options)


def test_joined_canvases_use_images_of_both():
    one = made(split="val")
    both = one.take(torch.tensor([4])).join(made(split="test"))
    assert both.labels.tolist() == [0, *LABELS.tolist()]
    for canvas, (left, top, right, bottom), number in zip(
        both.gather(range(7)), both.boxes(range(7)).tolist(), (4, *range(6)), strict=True
    ):
        assert (canvas[:, top:bottom, left:right] >= base().images[number]).all()


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("cluttered:", DataError, "names no source"),
        ("cluttered:cluttered:mnist-mini", DataError, "are not in memory in one size"),
        ("cluttered:mnist-mini:size=20", DataError, "images of 28 x 28 pixels do not go with size=20"),
        ("cluttered:mnist-mini:piece=40", DataError, "a piece at most 28"),
        ("cluttered:mnist-mini:pieces=-1", OptionError, "pieces=-1 is not allowed"),
        ("cluttered:mnist-mini:peices=1", OptionError, "there is no option 'peices'; there are size, pieces, piece"),
    ],
)
def test_wrong_scene_is_an_error(text, error, says):
    with pytest.raises(error, match=says):
        open_source(text)


def test_files_of_many_sizes_are_refused(tmp_path):
    from PIL import Image

    for split in ("train", "val", "test"):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            for n in range(3):
                Image.new("L", (9 + n, 9)).save(tmp_path / split / name / f"{n}.png")
    with pytest.raises(DataError, match="are not in memory in one size"):
        open_source(f"cluttered:folder:{tmp_path}")
