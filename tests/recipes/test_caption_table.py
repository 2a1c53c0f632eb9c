import pytest
import torch

from regard import cost
from regard.core import RunError
from regard.data import Reading
from regard.recipes.arms import build_arm, parse_arms
from regard.recipes.caption_table import open_caption_table
from tests.recipes.captions import MODEL, write_captions


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return opened(write_captions(tmp_path_factory.mktemp("captions")))


def opened(data, fingerprint=None):
    return open_caption_table(data, fingerprint, 12, Reading(), size=None, fit="crop", augment="none")


def test_arms_read_images_and_are_measured(table):
    backbone = table.backbone(MODEL)
    assert parse_arms(("additive", "sca_cnn:hidden=4"), kind="caption", model=MODEL) == (
        "none",
        "additive",
        "sca_cnn:hidden=4",
    )
    net = build_arm("additive", backbone, 0)
    (example,) = table.examples([2], torch.device("cpu"))
    assert table.measurable(net)(example).shape == (2, len(table.code.target))
    assert cost.macs(table.measurable(net), example[:1]) > cost.macs(
        table.measurable(build_arm("none", backbone, 0)), example[:1]
    )


def test_a_table_uses_so_many_examples(table):
    assert len(table.train) == 12
    assert table.score(build_arm("none", table.backbone(MODEL), 0), table.source.splits["val"], "cpu").n > 0


def test_changed_images_are_told(tmp_path):
    with pytest.raises(RunError, match="other images or texts"):
        opened(write_captions(tmp_path), "old")
