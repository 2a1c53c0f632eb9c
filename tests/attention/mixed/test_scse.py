import numpy as np
import pytest
import torch
from segmentation_models_pytorch.base.modules import SCSEModule

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.scse import SCSE
from regard.core import taps
from regard.core.errors import OptionError
from tests.attention.channel.test_cse import formula as channel_formula
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.spatial.test_sse import formula as spatial_formula
from tests.attention.twins import assert_twins

COMBINATIONS = {"add": np.add, "max": np.maximum}


def formula(x, p, combine):
    """The paper's sum of the two halves' results, or the maximum of the authors' code."""
    half = {side: {k.removeprefix(f"{side}."): v for k, v in p.items()} for side in ("channel", "spatial")}
    return COMBINATIONS[combine](channel_formula(x, half["channel"]), spatial_formula(x, half["spatial"]))


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("combine", ["add", "max"])
def test_it_is_the_papers_formula(shape, combine):
    module, x = drawn(SCSE(6, combine=combine)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), combine))


def test_the_maximum_is_of_features_not_gates():
    module = SCSE(1, combine="max")
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.spatial.score.bias.fill_(100.0)
    # The gates are 1/2 and 1: of -1/2 and -1 the larger is -1/2.
    assert module(torch.tensor([[[2.0, -1.0]]])).flatten().tolist() == [2.0, -0.5]


def test_a_case_computed_by_hand():
    module = SCSE(1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.spatial.score.weight.fill_(np.log(3))
    # The channel gate is 1/2, the spatial ones 3/4 and 1/4.
    assert module(torch.tensor([[[1.0, -1.0]]])).flatten().tolist() == pytest.approx([1.25, -0.75])


@pytest.mark.parametrize(("combine", "neutral"), [("add", 0.5), ("max", 1.0)])
def test_neutral_maps_do_nothing(combine, neutral):
    module, x = drawn(SCSE(6, combine=combine)), features(2, 6, 5, 3)
    assert list(taps(module)) == ["channel.gate", "spatial.gate"]
    for tap in taps(module).values():
        assert tap.neutral == neutral
        tap.replace = lambda values, tap=tap: torch.full_like(values, tap.neutral)
    assert torch.equal(module(x), x)


@pytest.mark.parametrize("combine", ["add", "max"])
def test_each_half_leaves_the_identity_on_its_own(combine):
    module, x = SCSE(6, combine=combine, start="identity"), torch.randn(2, 6, 5, 3)
    assert torch.equal(module(x), x)
    torch.nn.init.ones_(module.channel.strength)
    torch.nn.init.ones_(module.spatial.strength)
    assert_equal(module.double()(x.double()), formula(x.double().numpy(), arrays(module), combine))


def test_segmentation_models_pytorch_agrees():
    x = features(2, 32, 5, 3)
    assert_twins(SCSE(32, reduction=16), SCSEModule(32), "segmentation_models_pytorch", x)


def test_the_authors_weights_round_trip():
    module, other, x = drawn(SCSE(6, combine="max")), SCSE(6, combine="max").double(), features(2, 6, 5, 3)
    state = export_weights(module, "official")
    assert list(dict.fromkeys(name.rpartition(".")[0] for name in state)) == ["cSE.fc1", "cSE.fc2", "sSE.conv"]
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


def test_counts_and_order():
    assert count(SCSE(64)) == 4192 + 65
    assert [name.split(".")[0] for name in names(SCSE(8))] == ["channel"] * 4 + ["spatial"] * 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"combine": "mul"}, "scse: combine='mul' is not allowed; choose one of 'add', 'max'"),
        ({"reduction": 1.5}, "reduction=1.5 is not allowed; it must be an integer of at least 1"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SCSE(8, **options)
