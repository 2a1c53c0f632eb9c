from dataclasses import replace

import torch
from torch import nn

from regard.core import Facts, Paper, Tap
from regard.testing import check_attention
from tests.testing.gates import QUICK, Gate, failures

MAPS = (*QUICK, "taps_compiled")


class Tapped(Gate):
    """A right gate whose map passes a tap."""

    def __init__(self, channels):
        super().__init__(channels)
        self.tap = Tap("gate")

    def gate(self, x):
        return self.tap(super().gate(x))


class Startable(Gate):
    """A gate that can start as the identity; `first` is what its strength starts with."""

    first = 0.0

    def __init__(self, channels, *, start="paper"):
        super().__init__(channels)
        self.register_parameter("strength", None)
        if start == "identity":
            self.strength = nn.Parameter(torch.tensor(self.first))

    def temper(self, gate, strength):
        """1 + strength (gate - 1)."""
        return 1 + strength.to(gate.dtype) * (gate - 1)

    def gate(self, x):
        gate = super().gate(x)
        return gate if self.strength is None else self.temper(gate, self.strength)


class OutOfRange(Tapped):
    """A map between 0 and 2 in a tap that says 0 to 1."""

    def gate(self, x):
        return self.tap(2 * Gate.gate(self, x))


class WrongKind(Tapped):
    """A channel gate that says it is over positions."""

    def __init__(self, channels):
        super().__init__(channels)
        self.tap = Tap("spatial")


class PassesByTheTap(Tapped):
    """Shows the map to the tap and applies another tensor."""

    def gate(self, x):
        gate = Gate.gate(self, x)
        self.tap(gate)
        return gate


class NeverTapped(Tapped):
    """A tap that no map passes."""

    def gate(self, x):
        return Gate.gate(self, x)


class NotWhenCompiled(Tapped):
    """Leaves the tap out of the compiled graph, because it seems to cost time."""

    def gate(self, x):
        return Gate.gate(self, x) if torch.compiler.is_compiling() else super().gate(x)


class WithAShortcut(Tapped):
    """An inner shortcut: a map of 1 gives 2 x."""

    def forward(self, x):
        return x + super().forward(x)


class NearlyTheIdentity(Startable):
    """Starts near the identity."""

    first = 1e-3


class NeverLeaves(Startable):
    """A strength that is not trained."""

    def temper(self, gate, strength):
        return 1 + strength.detach().to(gate.dtype) * (gate - 1)


class Residual(Startable):
    """x + s (f(x) - x): right in float32, not a number in float16 where f(x) overflows."""

    def forward(self, x):
        if self.strength is None:
            return super().forward(x)
        return x + self.strength.to(x.dtype) * (x * 1e5 * Gate.gate(self, x) - x)


def test_a_right_gate_passes():
    assert not failures(Tapped, MAPS)
    assert not failures(Startable)


def test_a_map_out_of_its_range_fails_taps():
    found = failures(OutOfRange, MAPS)
    assert found.keys() == {"taps"}
    assert "The map in the tap tap goes from" in found["taps"]
    assert "; the tap says 0 to 1" in found["taps"]


def test_a_map_of_a_wrong_shape_fails_taps():
    found = failures(WrongKind, MAPS)
    assert found.keys() == {"taps"}
    assert "of kind spatial saw a map of shape (2, 16, 1, 1)" in found["taps"]


def test_a_map_outside_its_tap_fails():
    found = failures(PassesByTheTap, MAPS)
    assert found.keys() == {"taps", "neutral"}
    assert "y is the same whatever map is in the tap tap" in found["taps"]


def test_a_tap_that_sees_nothing_fails():
    found = failures(NeverTapped, MAPS)
    assert found.keys() == {"taps", "taps_compiled", "neutral"}
    assert "The tap tap saw no map" in found["taps"]


def test_a_tap_missing_when_compiled_fails():
    found = failures(NotWhenCompiled, MAPS)
    assert found.keys() == {"taps_compiled"}
    assert "The tap tap saw no map" in found["taps_compiled"]


def test_a_shortcut_beside_the_map_fails_neutral():
    found = failures(WithAShortcut, MAPS)
    assert found.keys() == {"neutral"}
    assert "with its neutral value in every tap a value of y is" in found["neutral"]


def test_starting_near_the_identity_fails_identity_start():
    found = failures(NearlyTheIdentity)
    assert found.keys() == {"identity_start"}
    assert "start='identity' in torch.float32: a value of y is" in found["identity_start"]


def test_an_untrained_strength_fails_identity_start():
    found = failures(NeverLeaves)
    assert found.keys() == {"identity_start"}
    assert "strength gets no gradient, so training never leaves the identity" in found["identity_start"]


def test_overflow_in_float16_fails_identity_start():
    found = failures(Residual)
    assert found.keys() == {"identity_start"}
    assert "start='identity' in torch.float16" in found["identity_start"]
    assert "nan" in found["identity_start"]


def test_an_instance_with_identity_start_is_checked():
    assert check_attention(Startable(4, start="identity"), channels=4, checks=("identity_start",)).skipped == ()
    assert check_attention(Startable(4), channels=4, checks=("identity_start",)).skipped


class WaitsForAScale(Startable):
    """A published scale of zero beside the strength: the gate's layer waits for it, also with `start="identity"`."""

    def __init__(self, channels, *, start="paper"):
        super().__init__(channels, start=start)
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))

    def gate(self, x):
        gate = 0.5 + self.scale.to(x.dtype) * Gate.gate(self, x)
        return gate if self.strength is None else self.temper(gate, self.strength)


def test_a_parameter_without_gradient_fails_identity_start():
    found = failures(WaitsForAScale)
    assert found.keys() == {"identity_start"}
    assert "score.bias, score.weight gets no gradient at the second step" in found["identity_start"]


class Queries(Gate):
    """Positions that look at positions, with a map of the right shape and of a wrong one."""

    def __init__(self, channels, wrong=False):
        super().__init__(channels)
        self.map, self.wrong = Tap("query", shares="source"), wrong

    def forward(self, x):
        flat = self.score(x.flatten(2).transpose(1, 2))
        shares = (flat @ flat.transpose(1, 2)).softmax(2)
        shape = shares.shape if self.wrong else (len(x), 1, *x.shape[2:], *x.shape[2:])
        shares = self.map(shares.reshape(shape)).reshape(shares.shape)
        return (shares @ x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)


def test_the_shape_of_query_maps_is_checked():
    assert not failures(Queries, ("taps",))
    assert "of kind query saw a map of shape" in failures(lambda c: Queries(c, wrong=True), ("taps",))["taps"]


class FactsWithoutATap(Gate):
    """A mechanism by its facts, whose map nobody can see."""

    facts = Facts(
        name="mine",
        family="channel",
        paper=Paper(title="Mine", authors="Me", year=2026, venue="Here", identifier="doi:10.1000/1"),
        dims=(2,),
    )


class Untrue(Tapped):
    """A tap that says other things than its map shows."""

    def __init__(self, channels, **said):
        super().__init__(channels)
        self.tap = Tap("gate", **said)


def test_a_mechanism_without_a_tap_fails():
    checks = ("taps", "neutral", "taps_compiled")
    found = failures(FactsWithoutATap, checks)
    assert found.keys() == set(checks)
    assert "The module has no tap" in found["taps"]
    assert len(check_attention(Gate, checks=checks).skipped) == 3


def test_a_map_out_of_range_fails_taps():
    found = failures(lambda c: Untrue(c, high=0.1), ("taps", "neutral"))
    assert found.keys() == {"taps"}
    assert "the tap says 0 to 0.1" in found["taps"]


def test_a_gate_declared_as_shares_fails_taps():
    found = failures(lambda c: Untrue(c, shares="channel"), ("taps", "neutral"))
    assert found.keys() == {"taps"}
    assert "over channels; the tap says that there they are shares of one" in found["taps"]


def test_facts_decide_what_does_not_apply():
    class Uniform(Queries):
        facts = replace(FactsWithoutATap.facts, returns="vector")

    class Aggregates(Tapped):
        facts = replace(FactsWithoutATap.facts, act="aggregate")

    report = check_attention(Uniform, checks=("neutral", "identity_start"))
    assert "Its neutral map is no number" in report["neutral"].sentence
    assert "cannot be put into a trained network" in report["identity_start"].sentence
    assert "does more than rescale x" in check_attention(Aggregates, checks=("neutral",))["neutral"].sentence
