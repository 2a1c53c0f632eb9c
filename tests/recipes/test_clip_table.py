import pytest
import torch

from regard import cost
from regard.core import OptionError, RunError
from regard.data import Reading
from regard.recipes.arms import build_arm, parse_arms
from regard.recipes.clip_table import open_clip_table
from regard.recipes.clips import load_clip_network
from tests.recipes.clips import MODEL, QUICK


@pytest.fixture
def table(clip_run):
    return open_clip_table(load_clip_network(clip_run.path).record.data.name, None, 60, Reading())


def test_arms_of_clips_share_batches_and_backbone(table):
    assert table.unit == "clip"
    assert table.train.labels.bincount().tolist() == [20, 20, 20]
    backbone = table.backbone(MODEL)
    arms = parse_arms(("temporal_pool", "frame_gate"), kind="clip", model=MODEL)
    assert arms == ("none", "temporal_pool", "frame_gate")
    nets = [build_arm(arm, backbone, 3) for arm in arms]
    for net in nets[1:]:
        other = net.state_dict()
        assert all(torch.equal(value, other[name]) for name, value in nets[0].state_dict().items())
    (example,) = table.examples((2,), torch.device("cpu"))
    assert example.shape[:2] == (2, 1)
    assert cost.macs(nets[0], example[:1]) < cost.macs(nets[1], example[:1])
    first, again = (next(iter(table.training_loader(QUICK, 0))).indices for _ in range(2))
    assert torch.equal(first, again)


def test_a_trial_is_scored_class_by_class(table, clip_run):
    found = table.score(load_clip_network(clip_run.path).net, table.source.splits["val"], "cpu")
    assert found.n == 24
    assert found.scores["accuracy"] == clip_run.scores["accuracy"]
    assert len(found.confusion) == 3


def test_other_clips_or_arms_are_refused(table, clip_run):
    with pytest.raises(RunError, match="contains other clips than when the comparison was started"):
        open_clip_table(table.source.name, "another", None, Reading())
    with pytest.raises(OptionError, match="'wide' is not allowed with clips"):
        parse_arms(("wide",), kind="clip", model=MODEL)
    with pytest.raises(OptionError, match="answers queries"):
        parse_arms(("additive",), kind="clip", model=MODEL)
