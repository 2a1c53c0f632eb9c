"""Sites by structure: true ones are found, sums that are no shortcuts are not."""

import pytest
import torch
from torch import nn

import regard
from tests.surgery.networks import Chain, Twice, UNet, images, small_resnet


def paths(net, at, x=None):
    return list(regard.select(net, images(batch=1) if x is None else x).at(at).paths)


def test_residual_sites_stand_before_the_addition():
    assert paths(small_resnet((2, 1, 1, 1)), "residual") == [
        *("layer1.0.bn2", "layer1.1.bn2", "layer2.0.bn2", "layer3.0.bn2", "layer4.0.bn2")
    ]


def test_stages_end_before_the_size_changes():
    assert paths(small_resnet((2, 1, 1, 1)), "stage") == ["layer1.1", "layer2.0", "layer3.0"]


def test_convolutions_include_normalisation_and_activation():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3))
    assert paths(net, "conv") == ["2", "4"]


class Odd(nn.Module):
    """Sums that no mechanism belongs before."""

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        if self.form == "parallel":
            return self.a(x) + self.b(x)
        if self.form == "identity with its own normalisation":
            return self.a(x) + self.norm(x)
        if self.form == "used elsewhere":
            y = self.a(x)
            return torch.cat((x + y, y), 1)
        if self.form == "another source":
            side = self.b(x)
            return (x + self.a(x) * side) * side
        unused = x + self.a(x)
        assert unused is not None
        return self.b(x)


FORMS = ("parallel", "identity with its own normalisation", "used elsewhere", "unused")


@pytest.mark.parametrize("form", FORMS)
def test_other_sums_are_no_sites(form):
    assert paths(Odd(form).eval(), "residual", torch.zeros(1, 3, 8, 8)) == []


def test_a_network_without_shortcuts_has_other_sites():
    net = UNet().eval()
    selection = regard.select(net, torch.zeros(1, 3, 16, 16))
    assert not selection.at("residual")
    assert selection.at("stage").paths == ("one.3",)
    assert selection.at("conv").paths == ("one.1", "one.3", "two.1", "two.3", "up", "last.1")


def test_a_network_that_reads_its_layers_attributes():
    net = Chain().eval()
    x = images(16)
    before = net(x)
    with regard.select(net, x).at("conv").insert("se").applied():
        assert torch.equal(net(x), before)
        net.model[2].f = 0
        assert (net.model[2].f, net.model[2].i) == (0, 2)
        assert net(x).shape == (2, 4, 16, 16)
        net.model[2].f = -1
    assert torch.equal(net(x), before)


def test_a_shared_module_is_edited_once():
    net = Twice().eval()
    selection = regard.select(net, torch.zeros(1, 3, 8, 8)).at("residual")
    assert selection.paths == ("first.2",)
    assert selection.sites[0].calls == 2
    handle = selection.insert("se").apply()
    assert len(handle.modules) == 1
    assert net.again[2].attention is net.first[2].attention


class Sometimes(nn.Module):
    """A normalisation that is run at other places too."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        x = self.norm(x) * 2
        return x + self.norm(self.conv(x))


def test_a_module_run_elsewhere_is_rejected():
    selection = regard.select(Sometimes().eval(), torch.zeros(1, 3, 8, 8))
    assert not selection.at("residual")
    assert "runs it 2 times" in next(r.reason for r in selection.rejected if r.at == "residual")


class Tokens(nn.Module):
    """A residual branch on tokens, channels last."""

    def __init__(self):
        super().__init__()
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        return x + self.narrow(self.wide(self.norm(x)).relu())


def test_channels_may_be_the_last_axis():
    net, x = Tokens().eval(), torch.randn(2, 5, 8)
    (site,) = selection = regard.select(net, x).at("residual")
    assert (site.path, site.channels, site.axis, site.positions) == ("narrow", 8, 2, (5,))
    before = net(x)
    with selection.insert("se", reduction=2).applied():
        assert torch.equal(net(x), before)
        net.narrow.attention.mechanism.strength.data.fill_(1.0)
        assert not torch.equal(net(x), before)


def test_a_layer_with_a_fused_form_is_rejected():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    selection = regard.select(layer, torch.randn(1, 5, 8))
    assert not selection.at("residual")
    assert "fused form" in str(selection)
