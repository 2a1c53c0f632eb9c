"""An evaluation is about the pictures it saw, whatever their order, and leaves the network as it was."""

import json

import pytest
import torch
from torch import nn

from regard.core import Batch, DataError
from regard.training import evaluate


class Says(nn.Module):
    """A network whose logits are in the pictures."""

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
        yield Batch(LOGITS[at][..., None, None], labels[at], at + 10)


def test_what_is_counted():
    found = evaluate(Says(), batches(LABELS), ("a", "b", "c"), device="cpu")
    assert (found.n, found.accuracy) == (5, 0.8)
    assert found.recall == (1.0, pytest.approx(2 / 3), None)
    assert found.balanced_accuracy == pytest.approx(5 / 6)
    assert found.confusion == ((2, 0, 0), (1, 2, 0), (0, 0, 0))
    assert found.correct.tolist() == [True, True, False, True, True]
    assert found.predictions.tolist() == [0, 1, 0, 1, 0]
    assert found.indices.tolist() == [10, 11, 12, 13, 14]
    expected = -LOGITS.log_softmax(1)[torch.arange(5), LABELS].mean()
    assert found.loss == pytest.approx(float(expected))
    assert found.mean_average_precision is None


def test_the_order_of_the_loader_does_not_matter():
    one = evaluate(Says(), batches(LABELS), ("a", "b", "c"), device="cpu")
    other = evaluate(Says(), batches(LABELS, order=(4, 2, 0, 3, 1), size=3), ("a", "b", "c"), device="cpu")
    assert torch.equal(one.correct, other.correct)
    assert torch.equal(one.predictions, other.predictions)
    assert torch.equal(one.indices, other.indices)
    assert one.to_json() == other.to_json()


def test_several_labels():
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    found = evaluate(Says(), batches(labels), ("a", "b", "c"), multi_label=True, device="cpu")
    assert found.correct.tolist() == [True, True, False, True, True]
    assert found.accuracy == 0.8
    assert found.recall == (1.0, pytest.approx(2 / 3), None)
    assert found.average_precision[0] == 1.0
    assert found.average_precision[2] is None
    assert found.f1 == (1.0, pytest.approx(0.8), None)
    assert found.mean_average_precision == pytest.approx(sum(found.average_precision[:2]) / 2)
    assert found.confusion == ()
    assert sum(b.count for b in found.reliability) == 15


@pytest.mark.parametrize("multi_label", [False, True])
def test_json_has_no_nan(multi_label):
    labels = nn.functional.one_hot(LABELS, 3).float() if multi_label else LABELS
    found = evaluate(Says(), batches(labels), ("a", "b", "c"), multi_label=multi_label, device="cpu")
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["accuracy"] == found.accuracy
    assert json.loads(text)["recall"][2] is None


def test_the_network_is_left_as_it_was():
    net = Says()
    evaluate(net, batches(LABELS), ("a", "b", "c"), device="cpu")
    assert net.training
    assert net.inner[0].training
    assert not net.inner[1].training


def test_no_pictures():
    with pytest.raises(DataError, match="no pictures to score"):
        evaluate(Says(), [], ("a", "b", "c"), device="cpu")
