"""An evaluation is about the images it saw, whatever their order, and leaves the network as it was."""

import pytest
import torch
from torch import nn

from regard.core import DataError, ImageBatch
from regard.training import Classification, evaluate


class Says(nn.Module):
    """A network whose logits are in the images."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleList([nn.Dropout(0.9), nn.BatchNorm1d(3)])
        self.inner[1].eval()

    def forward(self, x):
        return self.inner[0](x.flatten(1))


LOGITS = torch.tensor([[3.0, 0, 0], [0, 2, 0], [1, 0, 0], [0, 1, 0], [4, 0, 0]])
LABELS = torch.tensor([0, 1, 1, 1, 0])


def batches(labels, order=(0, 1, 2, 3, 4), size=2):
    for start in range(0, len(order), size):
        at = torch.tensor(order[start : start + size])
        yield ImageBatch(LOGITS[at][..., None, None], labels[at], at + 10)


TASK = Classification(("a", "b", "c"))


def test_what_is_counted():
    found = evaluate(Says(), batches(LABELS), TASK, device="cpu")
    assert (found.n, found.scores["accuracy"]) == (5, 0.8)
    assert found.scores["balanced_accuracy"] == pytest.approx(5 / 6)
    assert found.right.tolist() == [True, True, False, True, True]
    assert found.indices.tolist() == [10, 11, 12, 13, 14]
    expected = -LOGITS.log_softmax(1)[torch.arange(5), LABELS].mean()
    assert found.scores["loss"] == pytest.approx(float(expected))


def test_the_order_of_the_loader_does_not_matter():
    one = evaluate(Says(), batches(LABELS), TASK, device="cpu")
    other = evaluate(Says(), batches(LABELS, order=(4, 2, 0, 3, 1), size=3), TASK, device="cpu")
    assert torch.equal(one.right, other.right)
    assert torch.equal(one.indices, other.indices)
    assert one.scores == other.scores


def test_several_labels_are_right_together():
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    found = evaluate(Says(), batches(labels), Classification(("a", "b", "c"), multi_label=True), device="cpu")
    assert found.right.tolist() == [True, True, False, True, True]
    assert found.scores["accuracy"] == 0.8


def test_the_network_is_left_as_it_was():
    net = Says()
    evaluate(net, batches(LABELS), TASK, device="cpu")
    assert net.training
    assert net.inner[0].training
    assert not net.inner[1].training


def test_inputs_are_not_kept():
    found = evaluate(Says(), batches(LABELS), TASK, device="cpu")
    assert {batch.images.numel() for batch in found.batches} == {0}


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match="nothing to score"):
        evaluate(Says(), [], TASK, device="cpu")
