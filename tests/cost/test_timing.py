"""The order of timed turns, and the ratios made from them; no test depends on a duration."""

import pytest
import torch
from torch import nn

from regard import cost, models
from regard.core import OptionError
from regard.cost import timing

CALLS: list[str] = []


class Called(nn.Module):
    """Writes down its passes, also those of its copies."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        CALLS.append(self.name + ("+" if self.training else "") + ("*" if torch.is_grad_enabled() else ""))
        return self.layer(x)


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


@pytest.mark.parametrize(("what", "mark"), [("inference", ""), ("training", "+*")])
def test_networks_take_turns_in_alternating_order(what, mark):
    networks = {name: Called(name) for name in "abc"}
    cost.time_in_turns(networks, torch.zeros(4, 3), what=what, rounds=3, min_seconds=0)
    warm, turns = CALLS[:6], CALLS[6:]
    assert warm == [name + mark for name in "aabbcc"]
    assert turns == [name + mark for name in "abc" + "cba" + "abc"]


def test_a_turn_repeats_until_long_enough(monkeypatch):
    """The clock goes on by a quarter of a second whenever it is read, so every pass lasts that long."""
    ticks = iter(range(1000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks) / 4)
    (measured,) = cost.time_in_turns({"a": Called("a")}, torch.zeros(4, 3), rounds=2, min_seconds=1.0).values()
    assert len(CALLS) == 2 + 2 * 4
    assert measured.seconds == 0.25 / 4
    assert measured.images_per_second == 4 / (0.25 / 4)


def test_ratios_are_medians_of_each_rounds_own_ratio():
    """Three rounds of a machine that becomes ten times slower, on which the second network takes twice as long."""
    seconds, reference = [2.0, 4.0, 44.0], [1.0, 2.0, 20.0]
    measured = timing._timing("b", "training", 8, seconds, reference)
    assert measured.ratio == 2.0
    assert (measured.ratio_low, measured.ratio_high) == (2.0, pytest.approx(2.1))
    assert (measured.seconds, measured.low, measured.high) == (4.0, 3.0, 24.0)
    assert measured.images_per_second == 2.0
    assert measured.rounds == 3


@pytest.mark.parametrize("what", ["inference", "training"])
def test_networks_stay_unchanged_and_in_order(what):
    networks = {name: models.create(name, num_classes=3, width=0.25, seed=0) for name in ("resnet8", "se_resnet8")}
    states = [{key: value.clone() for key, value in net.state_dict().items()} for net in networks.values()]
    timings = cost.time_in_turns(networks, torch.randn(2, 3, 8, 8), what=what, rounds=3, min_seconds=0)
    assert list(timings) == list(networks)
    assert (timings["resnet8"].ratio, timings["resnet8"].ratio_low, timings["resnet8"].ratio_high) == (1, 1, 1)
    for name, measured in timings.items():
        assert (measured.name, measured.what, measured.images, measured.rounds) == (name, what, 2, 3)
        assert 0 < measured.low <= measured.seconds <= measured.high
    for net, state in zip(networks.values(), states, strict=True):
        assert net.training
        assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
        assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("networks", "options", "said"),
    [
        ({}, {}, "0 networks"),
        ({"a": nn.Linear(3, 2)}, {"what": "learning"}, "what='learning'.*'inference', 'training'"),
        ({"a": nn.Linear(3, 2)}, {"rounds": 0}, "rounds=0"),
        ({"a": nn.Linear(3, 2)}, {"min_seconds": -1.0}, "min_seconds=-1.0"),
    ],
)
def test_wrong_options_are_refused(networks, options, said):
    with pytest.raises(OptionError, match=said):
        cost.time_in_turns(networks, torch.zeros(2, 3), **options)


def test_functions_take_the_same_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    measured = cost.time_functions(
        functions, what="inference", images=4, device=torch.device("cpu"), rounds=3, min_seconds=0
    )
    assert "".join(calls[4:]) == "abbaab"
    assert list(measured) == ["a", "b"]
    assert measured["b"].page_faults is None or measured["b"].page_faults >= 0
    with pytest.raises(OptionError, match="time_functions: 0 functions"):
        cost.time_functions({}, what="inference", images=4, device=torch.device("cpu"))
