"""Bytes of live tensors, by hand."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from regard import cost, models
from regard.cost.memory import LiveTensors


def test_a_storage_counts_once_while_it_lives():
    with LiveTensors() as tensors:
        x = torch.zeros(100)
        assert tensors.live == 400
        view = x[10:].reshape(9, 10)
        x.add_(1)
        assert tensors.live == 400
        double = x.double()
        assert tensors.live == 1200
        del x
        assert tensors.live == 1200
        del view
        assert tensors.live == 800
        double = double[:1].clone()
    assert double.untyped_storage().nbytes() == tensors.live == 8
    assert tensors.peak == 1200


def test_what_a_backward_pass_needs_lives_until_then():
    with LiveTensors() as tensors:
        x = torch.zeros(50, requires_grad=True)
        y = x.exp().sum()
        assert tensors.live == 200 + 200 + 4
        y.backward()
        assert tensors.live == 200 + 200 + 4
        assert x.grad is not None
    assert tensors.peak == 200 + 200 + 4 + 4 + 200


def test_tensors_from_before_count_when_they_are_watched():
    before = torch.zeros(10)
    with LiveTensors() as tensors:
        tensors.watch([before, before[2:], None, "text"])
        after = before + 1
    assert tensors.live == 80
    assert after.shape == before.shape


@pytest.mark.parametrize(("b", "d", "k"), [(64, 16, 4), (7, 30, 300)])
def test_a_linear_classifier_by_hand(b, d, k):
    """Fullest: the log-probabilities and two gradients in the loss, or one and the weight's at the end."""
    weight_momentum_and_images, labels, loss_and_its_gradient = 4 * (2 * d * k + b * d), 8 * b, 8
    in_the_loss, at_the_end = 3 * 4 * b * k, 4 * (b * k + d * k)
    peak = cost.peak_memory(nn.Linear(d, k, bias=False), torch.randn(b, d))
    assert peak == weight_momentum_and_images + labels + loss_and_its_gradient + max(in_the_loss, at_the_end)


class Deep(nn.Module):
    """Twenty layers that all keep their input, or only each group's."""

    def __init__(self, saving: bool):
        super().__init__()
        self.saving = saving
        self.groups = nn.ModuleList(
            nn.Sequential(*(part for _ in range(5) for part in (nn.Linear(8, 8), nn.Tanh()))) for _ in range(4)
        )

    def forward(self, x):
        for group in self.groups:
            x = checkpoint(group, x, use_reentrant=False) if self.saving else group(x)
        return x


def test_what_the_layers_keep_is_counted():
    """Twenty layers keep one activation each; four checkpointed groups keep four, and one group's five at a time."""
    x = torch.randn(1000, 8)
    activation = x.numel() * 4
    full, saving = cost.peak_memory(Deep(False), x), cost.peak_memory(Deep(True), x)
    assert 20 * activation < full < 25 * activation
    assert 9 * activation < saving < 14 * activation


def test_runs_repeat_and_leave_the_network_unchanged():
    net = models.create("cbam_resnet8", num_classes=3, width=0.5, seed=0).eval()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.randn(4, 3, 12, 12)
    first = cost.peak_memory(net, x)
    kept = [torch.zeros(1000) for _ in range(5)]
    assert cost.peak_memory(net, x) == first
    assert len(kept) == 5
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not net.training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_attention_costs_memory():
    x = torch.randn(8, 3, 16, 16)
    plain, se, cbam = (cost.peak_memory(models.create(f"{m}resnet8", seed=0), x) for m in ("", "se_", "cbam_"))
    assert plain < se < cbam
