"""Selections: values that are refined, printed and asserted; nothing found is an error with near misses."""

import pytest
import torch
from torch import nn

import regard
from regard.core import OptionError, SurgeryError, UnknownNameError
from tests.surgery.networks import anatomy, images, same_anatomy, small_resnet


@pytest.fixture(scope="module")
def selection():
    return regard.select(small_resnet((2, 1, 1, 1)), images(batch=1))


def test_refinements_are_new_selections(selection):
    residual = selection.at("residual")
    assert len(residual) == 5
    assert residual.matching("layer1.*").paths == ("layer1.0.bn2", "layer1.1.bn2")
    assert residual.where(lambda site: site.channels >= 256).paths == ("layer3.0.bn2", "layer4.0.bn2")
    assert residual.last_stage().paths == ("layer4.0.bn2",)
    assert residual.every(2).paths == ("layer1.0.bn2", "layer2.0.bn2", "layer4.0.bn2")
    assert residual.expect(sites=5) is residual
    assert selection.at("auto").paths == residual.paths
    assert len(selection) > len(residual)


def test_a_selection_prints_as_a_table(selection):
    text = str(selection.at("residual").matching("layer2.*"))
    assert text.splitlines()[0] == "select(ResNet).at('residual').matching('layer2.*'): 1 sites (1 residual)"
    assert "layer2.0.bn2  residual  BatchNorm2d       128" in text


def test_an_unexpected_count_shows_the_table(selection):
    with pytest.raises(SurgeryError, match=r"(?s)has 5 sites, and 16 were expected.*layer1\.0\.bn2"):
        selection.at("residual").expect(sites=16)


def test_nothing_found_lists_near_misses(selection):
    with pytest.raises(SurgeryError, match=r"no site; the network has 5 residual, 3 stage.*layer3\.0\.bn2"):
        selection.at("residual").matching("layer3.0.bn3").insert("se")


def test_a_network_without_sites_says_so():
    with pytest.raises(SurgeryError, match="no site; the network has 0 residual, 0 stage, 0 conv"):
        regard.attach(nn.Sequential(nn.Flatten(), nn.Linear(4, 4)), "se", example=torch.zeros(1, 4))


def test_several_kinds_at_once_are_refused(selection):
    with pytest.raises(SurgeryError, match=r"several kinds.*\.at\('"):
        selection.insert("se")


@pytest.mark.parametrize(
    ("mechanism", "options", "error", "word"),
    [
        ("mil_pool", {}, SurgeryError, "vector"),
        ("hard_spatial", {}, SurgeryError, "sample"),
        ("sse:wrong=1", {}, OptionError, "wrong"),
        ("se", {"reduction": "many"}, SurgeryError, "reduction"),
        ("squeeze", {}, UnknownNameError, "squeeze"),
        ("se", {"channels": 64}, OptionError, "each site has its own"),
        (nn.Identity, {}, OptionError, "name a mechanism"),
        ("attention_gate", {"signal_channels": 4}, SurgeryError, "signal"),
    ],
)
def test_what_cannot_be_inserted_is_refused(mechanism, options, error, word):
    net = small_resnet()
    selection = regard.select(net, images(batch=1)).at("residual")
    before = anatomy(net)
    with pytest.raises(error, match=word):
        selection.insert(mechanism, **options)
    assert same_anatomy(before, anatomy(net))


def test_inserted_attention_is_no_site():
    net = small_resnet()
    regard.attach(net, "cbam", at="residual", example=images(batch=1))
    again = regard.select(net, images(batch=1))
    assert not [path for path in again.paths if "attention" in path]
    with pytest.raises(SurgeryError, match=r"at\('residual'\) has no site.*inserted attention already"):
        regard.attach(net, "cbam", example=images(batch=1))


@pytest.mark.parametrize("k", [0, -1, 1.5, "2"])
def test_every_takes_a_count(selection, k):
    with pytest.raises(OptionError, match="every="):
        selection.every(k)


def test_an_unknown_kind_of_site_lists_those_known(selection):
    with pytest.raises(UnknownNameError, match="residual"):
        selection.at("residuals")


def test_selecting_changes_nothing_and_draws_nothing():
    net = small_resnet().train()
    before, chance = anatomy(net), torch.get_rng_state()
    regard.select(net, images(batch=1)).at("residual").insert("se")
    assert same_anatomy(before, anatomy(net))
    assert torch.equal(torch.get_rng_state(), chance)


def test_the_short_form_inserts_at_the_best_kind():
    net = small_resnet()
    handle = regard.attach(net, "eca:kernel_size=3", example=images(batch=1))
    assert handle.paths == regard.select(small_resnet(), images(batch=1)).at("residual").paths
    handle.revert()
