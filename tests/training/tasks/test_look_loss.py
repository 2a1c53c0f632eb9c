import pytest
import torch

from regard.core import OptionError
from regard.core.look_record import LookRecord
from regard.core.returns import Sample
from regard.training.tasks.look_loss import LookLoss, advantages

THERE = torch.tensor([[True, True], [True, False]])


def test_coverage_is_least_where_each_is_seen_once():
    loss, losses = LookLoss(coverage=1.0), torch.zeros(2, 2)
    once = LookRecord(weights=[torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [9.0, 9.0]])])
    parts = loss.parts(once, losses, THERE)
    assert float(parts["coverage"]) == pytest.approx(1 / 3), "padding is no look"
    with pytest.raises(OptionError, match=r"coverage=1\.0 is not allowed"):
        loss.parts(LookRecord(), losses, THERE)


def test_advantages_have_no_mean():
    rewards = torch.randn(6, 4)
    there = torch.ones(6, 4, dtype=torch.bool)
    torch.testing.assert_close(advantages(rewards, there).sum(0), torch.zeros(4), atol=1e-5, rtol=0)
    one = advantages(torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.0, 3.0]]), torch.ones(3, 2, dtype=torch.bool))
    torch.testing.assert_close(one, torch.tensor([[1.5, 0.5], [-3.0, -2.5], [1.5, 2.0]]))
    assert not advantages(torch.randn(1, 3), torch.ones(1, 3, dtype=torch.bool)).any()


def test_the_policy_gradient_prefers_what_paid():
    logits = torch.zeros(4, 1, 2, requires_grad=True)
    chosen = torch.tensor([0, 0, 1, 1])
    log_prob = logits[:, 0].log_softmax(1)[torch.arange(4), chosen]
    record = LookRecord(samples=[Sample(torch.zeros(4), log_prob, log_prob.detach())])
    losses = torch.tensor([[0.1], [0.2], [2.0], [3.0]])
    loss = LookLoss(policy=2.0, entropy=0.5)
    parts = loss.parts(record, losses, torch.ones(4, 1, dtype=torch.bool))
    loss.total(parts).backward()
    assert (logits.grad[:, 0, 0] < 0).all()
    assert float(parts["coverage"]) == 0
