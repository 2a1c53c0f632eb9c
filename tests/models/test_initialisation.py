"""Initial values are a function of the seed and of the name, and of nothing else."""

import pytest
import torch
from torch import nn

from regard import CATALOGUE, CONTROLS, attention, models
from regard.core import OptionError

MECHANISMS = [mechanism.facts.name for mechanism in (*CATALOGUE, *CONTROLS)]


def test_arms_of_a_comparison_share_their_backbone_exactly():
    plain = models.create("resnet20", num_classes=10, seed=3).state_dict()
    for mechanism in MECHANISMS:
        arm = models.create(f"{mechanism}_resnet20", num_classes=10, seed=3).state_dict()
        shared = {name for name in plain if name in arm}
        gone = {"conv": ("conv1", "bn1"), "kernel": ("conv1",)}.get(attention.find(mechanism).facts.at, ())
        replaced = {name for name in plain if name.split(".")[-2] in gone and name.startswith("layer")}
        assert shared == plain.keys() - replaced
        assert all(torch.equal(plain[name], arm[name]) for name in shared)


def test_mechanisms_share_parameters_of_equal_name_and_shape():
    one = models.create("se_resnet8", seed=0).state_dict()
    two = models.create("resnet8", attention="se:start=identity", seed=0).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert two.keys() - one.keys() == {f"layer{stage}.0.attention.strength" for stage in (1, 2, 3)}


def test_networks_share_all_but_classifier_or_stem():
    ten, three = models.create("resnet8", num_classes=10, seed=0), models.create("resnet8", in_channels=1, seed=0)
    assert torch.equal(ten.layer2[0].conv1.weight, three.layer2[0].conv1.weight)
    assert ten.conv1.weight.shape != three.conv1.weight.shape


def test_another_seed_and_another_place_give_other_values():
    one, two = (models.create("sk_resnet20", num_classes=10, seed=seed) for seed in (0, 1))
    weights = {name: p for name, p in one.named_parameters() if p.ndim > 1}
    for name, weight in weights.items():
        assert not torch.equal(weight, two.get_parameter(name))
    values = [weight.flatten()[:8] for weight in weights.values()]
    assert all(not torch.equal(a, b) for i, a in enumerate(values) for b in values[:i])


def test_without_a_seed_pytorchs_generator_decides():
    torch.manual_seed(7)
    one, two = models.create("resnet8"), models.create("resnet8")
    torch.manual_seed(7)
    assert torch.equal(models.create("resnet8").conv1.weight, one.conv1.weight)
    assert not torch.equal(one.conv1.weight, two.conv1.weight)


def test_pytorchs_generator_is_left_unchanged():
    net = models.create("se_resnet8", seed=0)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    models.initialise(net, 5)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_trained_network_becomes_a_new_one(mechanism):
    """Weights, running statistics and strengths: nothing of what was there before is left."""
    net = models.create("resnet8", attention=f"{mechanism}", num_classes=3, seed=2)
    new = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        for value in net.state_dict().values():
            value.add_(1)
    assert models.initialise(net, 2) is net
    assert all(torch.equal(value, new[name]) for name, value in net.state_dict().items())


def test_strength_starts_at_zero_again():
    net = models.create("resnet8", attention="cbam:start=identity", seed=0)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(3)
    strengths = [p for name, p in models.initialise(net, 0).named_parameters() if name.endswith("strength")]
    assert [p.item() for p in strengths] == [0.0] * 6


def test_convolutions_have_hes_std_and_gates_their_own():
    net = models.create("cbam_resnet50", seed=0)
    for path in ("conv1", "layer2.0.conv1", "layer3.1.conv2", "layer4.0.downsample.0"):
        conv = net.get_submodule(path)
        expected = (2 / (conv.out_channels * conv.kernel_size[0] ** 2)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.03)
        assert conv.weight.mean().abs().item() < 0.03 * expected
    assert all(p.item() == 0 for name, p in net.named_parameters() if name.endswith("spatial.norm.weight"))
    selecting = models.create("sk_resnet50", seed=0).layer1[0].attention
    assert selecting.expand.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_gate_convolutions_keep_pytorchs_initialisation():
    (score,) = (m for m in models.create("sse_resnet18", seed=0).layer4[1].attention.modules() if hasattr(m, "weight"))
    bound = 512**-0.5
    assert 0.9 * bound < score.weight.abs().max().item() <= bound
    assert 0 < score.bias.abs().item() <= bound


def test_parameters_without_initial_values_are_named():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(3))

    with pytest.raises(OptionError, match=r"1 \(Bare\) has the parameters token.*reset_parameters"):
        models.initialise(nn.Sequential(nn.Linear(2, 2), Bare()), 0)


def test_a_network_elsewhere_is_refused():
    with pytest.raises(OptionError, match=r"on meta.*then move it"):
        models.initialise(nn.Linear(2, 2, device="meta"), 0)
