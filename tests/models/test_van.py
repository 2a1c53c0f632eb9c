"""The visual attention network: the paper's computation under the authors' names, and its start."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from regard import models
from regard.core import CheckpointError, OptionError, ShapeError, UnknownNameError
from regard.models.exchange import convert_network
from regard.models.initialisation import initialise
from regard.models.van import VAN, VANLayout
from tests.models.test_exchange import randomise

SMALL = VANLayout((1, 2, 1, 1), (4, 8, 12, 16), (8, 8, 4, 4))


def theirs_of(net: VAN) -> dict[str, torch.Tensor]:
    """The state of a network under the authors' names, written out for every tensor of theirs."""
    own, theirs = net.state_dict(), {}
    inside = {
        "attn.proj_1": "attention.projections.enter",
        "attn.spatial_gating_unit.conv0": "attention.near",
        "attn.spatial_gating_unit.conv_spatial": "attention.far",
        "attn.spatial_gating_unit.conv1": "attention.mix",
        "attn.proj_2": "attention.projections.leave",
        "mlp.fc1": "feed_forward.widen",
        "mlp.dwconv.dwconv": "feed_forward.depthwise",
        "mlp.fc2": "feed_forward.narrow",
    }
    kept = {name: name for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    pairs = {"head": "fc"}
    for stage in range(1, net.stages + 1):
        pairs |= {f"patch_embed{stage}.proj": f"embed{stage}.conv", f"patch_embed{stage}.norm": f"embed{stage}.norm"}
        pairs[f"norm{stage}"] = f"norm{stage}"
        for block in range(len(net.get_submodule(f"layer{stage}"))):
            there, ours = f"block{stage}.{block}", f"layer{stage}.{block}"
            pairs |= {f"{there}.{a}": f"{ours}.{b}" for a, b in inside.items()}
            pairs |= {f"{there}.norm{n}": f"{ours}.norm{n}" for n in (1, 2)}
            theirs |= {f"{there}.layer_scale_{n}": own[f"{ours}.scale{n}.weight"] for n in (1, 2)}
    for there, ours in pairs.items():
        theirs |= {f"{there}.{kind}": own[f"{ours}.{kind}"] for kind in kept if f"{ours}.{kind}" in own}
    return theirs


def compute(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Section 3.3 of the paper with functions of PyTorch alone, from tensors of the authors' names."""

    def conv(name, x, padding=0, **options):
        return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding, **options)

    def norm(name, x):
        kinds = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(state[f"{name}.{kind}"] for kind in kinds))

    def attend(name, x):
        u = functional.gelu(conv(f"{name}.proj_1", x))
        unit, c = f"{name}.spatial_gating_unit", u.shape[1]
        near = conv(f"{unit}.conv0", u, 2, groups=c)
        far = conv(f"{unit}.conv_spatial", near, 9, groups=c, dilation=3)
        return x + conv(f"{name}.proj_2", u * conv(f"{unit}.conv1", far))

    def feed(name, x):
        hidden = conv(f"{name}.fc1", x)
        hidden = conv(f"{name}.dwconv.dwconv", hidden, 1, groups=hidden.shape[1])
        return conv(f"{name}.fc2", functional.gelu(hidden))

    for stage, depth in enumerate(SMALL.blocks, 1):
        size, stride = (7, 4) if stage == 1 else (3, 2)
        x = norm(f"patch_embed{stage}.norm", conv(f"patch_embed{stage}.proj", x, size // 2, stride=stride))
        for block in range(depth):
            path = f"block{stage}.{block}"
            for n, (part, run) in enumerate((("attn", attend), ("mlp", feed)), 1):
                scale = state[f"{path}.layer_scale_{n}"][:, None, None]
                x = x + scale * run(f"{path}.{part}", norm(f"{path}.norm{n}", x))
        x = x.permute(0, 2, 3, 1)
        weight, bias = state[f"norm{stage}.weight"], state[f"norm{stage}.bias"]
        x = functional.layer_norm(x, weight.shape, weight, bias, eps=1e-6).permute(0, 3, 1, 2)
    return functional.linear(x.mean((2, 3)), state["head.weight"], state["head.bias"])


@pytest.fixture(scope="module")
def net():
    return randomise(VAN("van", SMALL, num_classes=7, in_channels=2))


@pytest.mark.parametrize("size", [(32, 32), (65, 47)])
def test_outputs_are_the_papers(net, size):
    x = torch.randn(2, 2, *size, dtype=torch.float64)
    with torch.no_grad():
        y, expected = net(x), compute(theirs_of(net), x)
    assert (y - expected).abs().max() <= 1e-9 * expected.abs().max()
    assert expected.std() > 0


def test_the_authors_weights_are_imported(net):
    other = VAN("van", SMALL, num_classes=7, in_channels=2).double()
    done = convert_network(other, theirs_of(net), "official")
    assert done.attention == 5
    other.load_state_dict(done.state)
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in other.state_dict().items())


def test_another_depth_is_refused(net):
    deeper = VAN("van", VANLayout((1, 2, 2, 1), SMALL.widths), num_classes=7, in_channels=2)
    with pytest.raises(CheckpointError, match=r"they have no tensor for our layer3\.1\."):
        convert_network(deeper, theirs_of(net), "official")


def test_it_starts_as_the_authors_does():
    """He's initialisation counts the outputs of one group, so that depthwise convolutions keep the variance."""
    net = initialise(VAN("van", VANLayout((1, 1, 1, 1), (64, 64, 64, 64), (4, 4, 4, 4))), 0)
    part = net.layer2[0].feed_forward
    assert part.depthwise.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.1)
    assert part.widen.weight.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.1)
    assert net.fc.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(net.layer1[0].scale1.weight, torch.full((64,), 0.01))
    assert not any(module.bias.any() for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear))


def test_branches_are_left_out_in_training_alone():
    net = VAN("van", VANLayout((1, 1), (8, 8), (2, 2), drop_path=0.5), num_classes=3)
    first, last = net.layer1[0], net.layer2[0]
    branch = torch.ones(4000, 1, 1, 1)
    assert torch.equal(first._leave_out(branch), branch)
    left = last._leave_out(branch)
    assert set(left.unique().tolist()) == {0.0, 2.0}
    assert left.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(last.eval()._leave_out(branch), branch)


def test_images_that_it_cannot_take():
    net = VAN("van", SMALL, num_classes=3)
    with pytest.raises(ShapeError, match="a single image of 32x32 leaves one position"):
        net(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ShapeError, match="van: the images have shape"):
        net(torch.zeros(2, 1, 32, 32))
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_options_of_residual_networks_are_refused():
    with pytest.raises(OptionError, match=r"van_b0: width=0\.5 is not allowed, because only"):
        models.create("van_b0", width=0.5)
    with pytest.raises(OptionError, match="'van_b0' already names its attention, 'lka'"):
        models.outline("van_b0", attention="se")
    with pytest.raises(UnknownNameError, match="'van_b0' has attention of its own: take a plain network"):
        models.create_widened("van_b0", 5_000_000)
    assert not models.is_looker("van_b0")
