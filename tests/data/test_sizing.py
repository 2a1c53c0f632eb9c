"""Images of any shape at one size, and what a crop costs."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from regard.core.errors import OptionError
from regard.data import fit_warnings, loader, open_source, preprocessing_for
from regard.data.sizing import Pad, build_resize, crop_loss, crop_warning, enlarge_for_crop, parse_size


def image(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


@pytest.mark.parametrize(
    ("given", "size"), [(64, (64, 64)), ("64", (64, 64)), ("48x200", (48, 200)), ("48X200", (48, 200)), (None, None)]
)
def test_sizes(given, size):
    assert parse_size(given) == size


@pytest.mark.parametrize("given", ["", "x", "48x", "4.5", "1x2x3", "0x4", -1, "big"])
def test_sizes_that_are_none_are_refused(given):
    with pytest.raises(OptionError):
        parse_size(given)


@pytest.mark.parametrize("resize", ["exact", "pad", "crop"])
@pytest.mark.parametrize("size", [(16, 16), (12, 30), (30, 12)])
@pytest.mark.parametrize("shape", [(3, 48, 200), (1, 200, 48), (3, 1, 500), (3, 7, 7), (2, 1, 20, 30)])
def test_any_shape_becomes_the_size(resize, size, shape):
    out = build_resize(size, resize, (0.5,) * 3)(image(*shape))
    assert out.shape == (*shape[:-2], *size)
    assert out.dtype == torch.uint8


def test_border_keeps_shape_and_whole_image():
    x = torch.full((3, 10, 40), 200, dtype=torch.uint8)
    out = Pad((20, 20), [1, 2, 3])(x)
    assert (out[:, 7:12] == 200).all()
    assert (out[:, :7].amax((1, 2)) == torch.tensor([1, 2, 3])).all()
    assert (out[:, 13:].amin((1, 2)) == torch.tensor([1, 2, 3])).all()


def test_a_crop_of_another_shape_keeps_what_fits():
    x = torch.zeros(1, 48, 200, dtype=torch.uint8)
    x[..., :100] = 255
    out = build_resize((24, 100), "crop")(x)
    assert (out[..., :48] == 255).all()
    assert (out[..., 52:] == 0).all()
    assert [tuple(step(x).shape) for step in enlarge_for_crop((24, 100))[:1]] == [(1, 48, 200)]


def test_a_square_crop_is_the_usual_one():
    x = image(3, 150, 200)
    assert torch.equal(
        build_resize((64, 64), "crop")(x), v2.Compose([v2.Resize(73, antialias=True), v2.CenterCrop(64)])(x)
    )


@pytest.mark.parametrize(
    ("height", "width", "share"), [(100, 100, 0), (100, 150, 1 / 3), (48, 200, 0.76), (400, 100, 0.75)]
)
def test_what_a_square_crop_loses(height, width, share):
    assert crop_loss(torch.tensor([[height, width]]), (32, 32)).item() == pytest.approx(share)


def test_more_than_a_third_is_warned_of():
    wide, usual = torch.tensor([[48, 200]] * 4), torch.tensor([[300, 400]] * 6)
    assert crop_warning(usual, (224, 224)) == ()
    (said,) = crop_warning(torch.cat((usual, wide)), (224, 224))
    assert said.startswith("A crop to 224 x 224 cuts more than a third off 4 of 10 training images")
    assert "of one of 48 x 200 it leaves 18 %" in said


@pytest.fixture
def edges(tmp_path):
    """Images of 48 x 200 whose class shows only at the right edge."""
    rng = np.random.default_rng(0)
    for label, value in (("dark", 20), ("light", 230)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(100, 150, (48, 200), dtype=np.uint8)
            pixels[:, 180:] = value
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{i}.png")
    return open_source(f"folder:{tmp_path / 'set'}")


@pytest.mark.parametrize(("fit", "seen"), [("crop", False), ("pad", True), ("squeeze", True)])
@pytest.mark.parametrize("augment", ["none", "light"])
def test_edge_signal_is_kept_unless_cropped(edges, fit, seen, augment):
    preprocessing = preprocessing_for(edges, fit=fit)
    train = edges.splits["train"]
    (batch,) = loader(train, preprocessing, batch_size=len(train), augment=augment, seed=0)
    shown = preprocessing.restore(batch.images).flatten(1)
    bright = (shown > 190).any(1)
    assert not bright[batch.labels == 0].any()
    assert bool(bright[batch.labels == 1].float().mean() > 0.5) == seen
    assert bool(fit_warnings(edges, preprocessing)) == (fit == "crop")


def test_the_size_may_be_any_shape(edges):
    preprocessing = preprocessing_for(edges, "24x100", fit="crop")
    assert preprocessing.size == (24, 100)
    assert fit_warnings(edges, preprocessing) == ()
    assert preprocessing_for(edges, fit="pad").size == (200, 200)
    assert preprocessing_for(edges).size == preprocessing_for(edges, fit="squeeze").size == (48, 48)
    with pytest.raises(OptionError, match="fit='stretch'"):
        preprocessing_for(edges, fit="stretch")


def test_a_trained_network_cannot_change_its_crop():
    (said,) = crop_warning(torch.tensor([[48, 200]] * 4), (32, 32), trained=True)
    assert said.startswith("A crop to 32 x 32 cuts more than a third off 4 of 4 images")
    assert "The network was trained with crops" in said
