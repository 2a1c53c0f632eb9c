"""The check sees what the run sees, and finds what a file gets wrong."""

import pytest
import torch

from regard.core import DataError, ExportError
from regard.data import Preprocessing
from regard.recipes.exportable import Exportable
from regard.recipes.exported_check import CheckImages, check, compare, open_check_images
from regard.recipes.network import load_network
from tests.recipes.own_networks import Pooling

KNOWN = Preprocessing(size=(12, 10), channels=3, mean=(0.3, 0.4, 0.5), std=(0.2, 0.2, 0.3), resize="crop")
SIZES = [(12, 10), (17, 15)]


@pytest.fixture
def images():
    return CheckImages(
        name="noise", images=tuple(torch.randint(0, 256, (c, 20, 31), dtype=torch.uint8) for c in (1, 3))
    )


@pytest.fixture
def module():
    return Exportable(Pooling(3, 3))


@pytest.mark.parametrize("resize", ["exact", "crop", "pad"])
def test_images_are_prepared_as_in_the_run(images, resize):
    known = Preprocessing(KNOWN.size, 3, KNOWN.mean, KNOWN.std, resize)
    got = known.normalise()(images.batch(4, known.size, known))
    want = torch.stack([known.eval()(images.images[i % 2]) for i in range(4)])
    assert torch.equal(got, want)


def test_a_colour_image_becomes_grey(images):
    known = Preprocessing(KNOWN.size, 1, (0.3,), (0.2,))
    want = torch.stack([known.eval()(image) for image in images.images])
    assert torch.equal(known.normalise()(images.batch(2, known.size, known)), want)


def test_every_batch_and_size_is_compared(images, module):
    done = check(module, module, images, SIZES, KNOWN, 1e-6)
    assert [str(one) for one in done] == ["1 x 12 x 10", "4 x 12 x 10", "2 x 17 x 15"]
    assert [one.difference for one in done] == [0.0, 0.0, 0.0]


def test_a_difference_at_one_size_is_found(images, module):
    def graph(x):
        return module(x) * (1 + 0.003 * (x.shape[2] != 12))

    with pytest.raises(ExportError, match=r"at 2 x 17 x 15 .* by 3\.0e-03 of the largest logit; 1e-04 is allowed"):
        check(module, graph, images, SIZES, KNOWN, 1e-4)
    check(module, graph, images, SIZES, KNOWN, 0.01)


@pytest.mark.parametrize("wrong", [lambda y: y[:, :2], lambda y: y * torch.nan])
def test_other_shapes_and_nan_never_pass(images, module, wrong):
    with pytest.raises(ExportError, match="differ"):
        check(module, lambda x: wrong(module(x)), images, SIZES, KNOWN, 1e9)


def test_a_run_without_finite_logits_is_named(images, module):
    module.net.fc.bias.data.fill_(torch.nan)
    with pytest.raises(ExportError, match=r"not finite.*train it again"):
        compare(module, module, images.batch(1, (12, 10), KNOWN), KNOWN)


def test_a_graph_that_does_not_run_is_named(images, module):
    def graph(x):
        raise RuntimeError("no such operator")

    with pytest.raises(ExportError, match="does not run on 1 images of 12 x 10 pixels: no such operator"):
        check(module, graph, images, SIZES, KNOWN, 1.0)


def test_the_runs_own_images_come_first(trained, bar_source):
    found = open_check_images(load_network(trained.path), None)
    assert found.name == f"validation images of {bar_source}"
    assert [tuple(image.shape) for image in found.images] == [(1, 12, 12)] * 4


def test_shipped_images_stand_in_for_lost_ones(trained, tmp_path, capsys):
    loaded = load_network(trained.path)
    data = type(loaded.record.data)(name=f"npz:{tmp_path / 'gone.npz'}")
    object.__setattr__(loaded.record, "data", data)
    found = open_check_images(loaded, None)
    assert found.name == "images of fashion-mini"
    assert "warning: the check uses the images of fashion-mini: " in capsys.readouterr().err
    with pytest.raises(DataError, match=r"gone\.npz"):
        open_check_images(loaded, f"npz:{tmp_path / 'gone.npz'}")
