"""Networks with our attention and with timm's compute the same before they are timed."""

import pytest
import torch

from regard.core import OptionError
from regard.recipes import bench_networks
from regard.recipes.bench_networks import NetworkPlan, build_trio, measure_network
from regard.recipes.bench_results import AUTO, EAGER, PLAIN

NETWORK = "resnet10t"


@pytest.fixture(scope="module")
def trios():
    return {mechanism: build_trio(mechanism, NETWORK) for mechanism in bench_networks.MECHANISMS}


@pytest.mark.parametrize("mechanism", bench_networks.MECHANISMS)
def test_the_three_networks_share_their_weights(trios, mechanism):
    trio, x = trios[mechanism], torch.randn(2, 3, 32, 32)
    plain, ours, theirs = (net.eval()(x) for net in (trio.plain, trio.ours, trio.theirs))
    torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(plain, ours)
    assert bench_networks._disagreement(trio, x) is None


@pytest.mark.parametrize(
    ("mechanism", "parameter"), [("se", "layer2.0.se.fc1.weight"), ("cbam", "layer1.0.se.spatial.conv.conv.weight")]
)
def test_other_weights_are_found(trios, mechanism, parameter):
    trio = trios[mechanism]
    values = trio.theirs.get_parameter(parameter).data
    kept = values.clone()
    values.mul_(-1)
    assert "differs by" in bench_networks._disagreement(trio, torch.randn(2, 3, 32, 32))
    values.copy_(kept)


@pytest.mark.parametrize("wrong", [None, "the output differs"])
def test_a_wrong_network_is_not_timed(monkeypatch, trios, wrong):
    monkeypatch.setattr(bench_networks, "build_trio", lambda mechanism, network: trios[mechanism])
    monkeypatch.setattr(bench_networks, "_disagreement", lambda trio, example: wrong)
    case = measure_network(NetworkPlan(mechanism="se", mode="training", network=NETWORK, batch=2, size=32), rounds=2)
    assert list(case.timings) == [PLAIN, AUTO] + [EAGER] * (wrong is None)
    assert case.refused == ({} if wrong is None else {EAGER: f"wrong: {wrong}"})
    assert case.shape == (2, 3, 32, 32)
    assert case.timings[PLAIN].ratio == 1


def test_another_mechanism_is_refused():
    with pytest.raises(OptionError, match="eca is not measured in whole networks; choose from se, cbam"):
        build_trio("eca")
