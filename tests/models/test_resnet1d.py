import pytest
import torch

from regard import attention, models
from regard.core.errors import OptionError, ShapeError
from regard.models import ResNet1D

MECHANISMS = [None, "se", "eca", "cbam", "nonlocal", "frame_gate", "gc", "temporal_pool:heads=2"]


def network(attention=None, **options):
    return models.create_clip_network(
        "resnet1d:width=8", num_classes=3, in_channels=4, attention=attention, seed=0, **options
    )


def ragged(dtype=torch.float64):
    torch.manual_seed(0)
    x, lengths = torch.randn(4, 4, 13, dtype=dtype), torch.tensor([13, 1, 7, 7])
    mask = torch.arange(13) < lengths[:, None]
    return x, mask, lengths.tolist()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_batch_equals_its_members(mechanism):
    net = network(mechanism).double()
    x, mask, lengths = ragged()
    net(x, mask)  # so that running statistics are not those of the start
    with torch.no_grad():
        together = net.eval()(x.masked_fill(~mask.unsqueeze(1), torch.nan), mask)
        alone = torch.cat([net(x[i : i + 1, :, :n]) for i, n in enumerate(lengths)])
    assert (together - alone).abs().max() < 1e-12


@pytest.mark.parametrize("mechanism", [None, "se", "temporal_pool"])
def test_training_does_not_see_padding(mechanism):
    x, mask, _ = ragged()
    found = []
    for padding in (0, 1000):
        net = network(mechanism).double()
        wider = torch.cat((x.masked_fill(~mask.unsqueeze(1), padding), torch.full((4, 4, 5), float(padding))), 2)
        longer = torch.cat((mask, torch.zeros(4, 5, dtype=torch.bool)), 1)
        given = (wider, longer) if padding else (x.masked_fill(~mask.unsqueeze(1), 0), mask)
        net(*given).square().sum().backward()
        values = [p.grad for p in net.parameters()] + [b for b in net.buffers() if b.is_floating_point()]
        found.append(torch.cat([value.flatten() for value in values]))
    assert torch.allclose(found[0], found[1], atol=1e-10)


def test_it_has_the_layers_of_the_paper():
    convs = [module for module in ResNet1D(num_classes=9, in_channels=12).modules() if type(module).__name__ == "_Same"]
    sizes = [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convs]
    assert sizes == [
        *((12, 64, 8), (64, 64, 5), (64, 64, 3), (12, 64, 1)),
        *((64, 128, 8), (128, 128, 5), (128, 128, 3), (64, 128, 1)),
        *((128, 128, 8), (128, 128, 5), (128, 128, 3)),
    ]


def test_networks_of_one_seed_share_their_values():
    plain, gated = network(), network("se")
    shared = set(plain.state_dict()) & set(gated.state_dict())
    assert len(shared) == len(plain.state_dict())
    assert all(torch.equal(plain.state_dict()[name], gated.state_dict()[name]) for name in shared)


def test_a_mechanism_without_a_place_is_refused():
    for mechanism in ("sk", "additive", "glimpse"):
        with pytest.raises(OptionError, match="has no place"):
            network(mechanism)
    assert isinstance(network("se").blocks[0].attention, attention.find("se"))


def test_wrong_shapes_are_named():
    net = network()
    with pytest.raises(ShapeError, match=r"\(b, 4, t\)"):
        net(torch.zeros(2, 3, 5))
    with pytest.raises(ShapeError, match="at least one step"):
        net(torch.zeros(2, 4, 0))
    with pytest.raises(ShapeError, match="mask has shape"):
        net(torch.zeros(2, 4, 5), torch.ones(2, 4).bool())
    assert ResNet1D(num_classes=3, in_channels=4, width=2)(torch.zeros(2, 4, 1)).shape == (2, 3)
