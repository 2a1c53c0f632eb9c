import pytest
import torch
from rich.console import Console
from torch import nn

from regard import cost, create, models
from regard.recipes.closed_channels import ClosedChannels, watch_gates


def used(net, *batches):
    with watch_gates(net.eval()) as gates, torch.no_grad():
        for images in batches:
            net(images)
    return tuple(gate.use() for gate in gates)


def gated(*biases):
    """A convolution and gates that are open where the bias is positive, whatever the image."""
    gate = create("hard_channel", channels=len(biases))
    with torch.no_grad():
        gate.expand.weight.zero_()
        gate.expand.bias.copy_(torch.tensor(biases))
    return nn.Sequential(nn.Conv2d(3, len(biases), 3, padding=1), gate)


def test_constant_gates_are_counted():
    (gate,) = used(gated(3.0, -3.0, 2.0, -1.0), torch.randn(2, 3, 8, 8), torch.randn(1, 3, 8, 8))
    assert (gate.path, gate.channels, gate.open) == ("1", 4, 0.5)
    assert (gate.always_open, gate.always_closed, gate.is_constant) == (2, 2, True)


def test_savings_are_the_convolutions_closed_share():
    net, images = gated(3.0, -3.0, -3.0, -3.0), torch.randn(2, 3, 8, 8)
    (gate,) = used(net, images)
    assert gate.macs == cost.macs(net[0], images[:1])
    assert gate.saved == pytest.approx(0.75 * gate.macs)


def test_gates_of_two_images_are_not_constant():
    torch.manual_seed(0)
    net = gated(0.0, 0.0, 9.0, 0.0)
    nn.init.ones_(net[1].reduce.weight)
    with torch.no_grad():
        net[1].expand.weight[:2] = torch.tensor([[1.0], [-1.0]])
        net[1].expand.bias[:2] = torch.tensor([-1.0, 1.0])
        net[0].weight.fill_(0.1)
    (gate,) = used(net, torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 5.0))
    assert (gate.open, gate.always_open, gate.always_closed) == (0.5, 1, 1)
    assert not gate.is_constant


def test_the_convolution_before_each_gate_is_found():
    net = models.create("hard_channel_resnet8", num_classes=3, in_channels=1, seed=0)
    gates = used(net, torch.randn(2, 1, 16, 16))
    assert [gate.path for gate in gates] == [f"layer{n}.0.attention" for n in (1, 2, 3)]
    assert [gate.macs for gate in gates] == [9 * 16 * 16 * 256, 9 * 32 * 32 * 64, 9 * 64 * 64 * 16]
    assert not net.layer1[0].attention.gate._forward_hooks


def test_a_gate_that_runs_twice_saves_twice():
    shared = gated(3.0, -3.0, -3.0)
    net, images = nn.Sequential(shared, shared), torch.randn(2, 3, 8, 8)
    (gate,) = used(net, images)
    assert (gate.open, gate.always_open, gate.always_closed) == (pytest.approx(1 / 3), 1, 2)
    assert gate.macs == cost.macs(net, images[:1]) - 2 * cost.macs(shared[1], images[:1])
    assert gate.saved == pytest.approx(2 / 3 * gate.macs)


def test_other_layers_before_a_gate_save_nothing():
    (gate,) = used(nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2), gated(1.0, -1.0)[1]), torch.randn(2, 3, 8, 8))
    assert (gate.macs, gate.saved) == (None, None)
    assert ClosedChannels((gate,), 100).saved == 0.0


def test_a_blend_closes_nothing():
    net = gated(-3.0, 3.0)
    net[1] = create("hard_channel", channels=2, start="identity")
    (gate,) = used(net, torch.randn(2, 3, 8, 8))
    assert (gate.open, gate.always_open, gate.saved) == (1.0, 2, 0.0)


def test_what_is_said():
    gates = used(gated(3.0, -3.0, 2.0, -1.0), torch.randn(2, 3, 100, 100))
    closed = ClosedChannels(gates, 4 * gates[0].macs)
    assert "would save 0.54 of 4.3 million multiply-adds an image (12.5 %)" in str(closed)
    assert "4 of 4 gates are constant over these images. Wholly constant: 1." in str(closed)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(closed.table())
    assert capture.get().splitlines()[1].split() == ["1", "4", "50.0", "%", "2", "2", "0.54", "of", "1.1"]
    assert closed.to_json()["saved_macs"] == closed.saved == gates[0].saved


@pytest.mark.parametrize("name", ["se_resnet8", "ram"])
def test_other_networks_have_no_gates(name):
    with watch_gates(models.create(name, num_classes=3, in_channels=1, seed=0)) as gates:
        assert not gates
