import pytest
import torch
from pytorchcv.models.danet import DANetHead

from regard.attention.channel.dual_channel import DualChannel
from regard.attention.mixed.dual import Dual
from regard.attention.spatial.dual_position import DualPosition
from regard.core import OptionError, ShapeError
from tests.attention.channel.test_dual_channel import formula as channel_formula
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.spatial.test_dual_position import formula as position_formula


def part(p, name):
    """The arrays of one half."""
    return {key.removeprefix(f"{name}."): values for key, values in p.items() if key.startswith(f"{name}.")}


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 6, 5), (1, 6, 2, 3, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("energy", ["difference", "product"])
def test_it_adds_both_halves_to_the_features(shape, energy):
    module, x = drawn(Dual(6, energy=energy, dims=len(shape) - 2)), 0.5 * features(*shape)
    p, z = arrays(module), x.numpy()
    expected = position_formula(z, part(p, "position")) + channel_formula(z, part(p, "channel"), energy) - z
    assert_equal(module(x), expected)


THEIRS = {
    "position_before": "branch_pa.conv1",
    "position_after": "branch_pa.conv2",
    "channel_before": "branch_ca.conv1",
    "channel_after": "branch_ca.conv2",
}


def head_of_pytorchcv(module):
    """Their head with our weights; the layers that score each half alone keep theirs, for nobody asks them."""
    head = DANetHead(module.channels, module.channels).double().eval()
    state = {"conv.weight": module.project.weight, "conv.bias": module.project.bias}
    for ours, theirs in THEIRS.items():
        for name, values in module.get_submodule(ours).state_dict().items():
            state[f"{theirs}.{name.replace('norm', 'bn')}"] = values
    for name in ("query", "key", "value"):
        state[f"branch_pa.att.{name}_conv.weight"] = module.get_parameter(f"position.{name}.weight")[..., None, None]
        state[f"branch_pa.att.{name}_conv.bias"] = module.get_parameter(f"position.{name}.bias")
    state["branch_pa.att.scale.alpha"], state["branch_ca.att.scale.alpha"] = module.position.gamma, module.channel.gamma
    missing, unexpected = head.load_state_dict(state, strict=False)
    assert not unexpected
    assert {name.rpartition(".")[0] for name in missing} == {"branch_pa.conv3", "branch_ca.conv3"}
    return head


def _with_gradient(net, x):
    """y, and the gradient of the sum of its squares for x."""
    x = x.clone().requires_grad_()
    y = net(x)
    return y.detach(), torch.autograd.grad(y.square().sum(), x)[0]


def test_with_convolutions_pytorchcv_agrees():
    module = Dual(64, convolutions=True)
    with torch.no_grad():
        for values in (module.position.gamma, module.channel.gamma):
            values.fill_(0.7)
    module.double().eval()
    head, x = head_of_pytorchcv(module), 0.5 * features(2, 64, 5, 3)
    for ours, theirs in zip(*(_with_gradient(net, x) for net in (module, lambda z: head(z)[0])), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)
    layers = sum(p.numel() for name, p in head.named_parameters() if "conv3" not in name)
    assert count(module) == layers


def test_without_convolutions_its_parameters_are_the_halves():
    assert count(Dual(64)) == count(DualPosition(64)) + count(DualChannel(64))


def test_it_starts_without_effect():
    x = features(1, 8, 3, 3).float()
    assert torch.equal(Dual(8)(x), x)
    module = Dual(8, start="identity")
    assert (module.position.gamma.item(), module.channel.gamma.item()) == (1, 1)
    assert [name for name, _ in module.named_parameters() if name.endswith("strength")] == ["strength"]
    for half in (module.position, module.channel):
        half.reset_parameters()
    module.reset_parameters()
    assert (module.position.gamma.item(), module.channel.gamma.item()) == (1, 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"convolutions": 1}, "dual: convolutions=1 is not allowed; it must be True or False"),
        ({"convolutions": True, "squeeze": 0}, "dual: squeeze=0 is not allowed"),
        ({"energy": "max"}, "energy='max' is not allowed"),
        ({"dims": 4}, "dual: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"strict": None}, "dual: strict=None"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Dual(8, **options)


def test_strict_convolutions_refuse_a_single_value():
    with pytest.raises(ShapeError, match="batches of two or more"):
        Dual(8, convolutions=True, strict=True)(torch.randn(1, 8, 1, 1))
