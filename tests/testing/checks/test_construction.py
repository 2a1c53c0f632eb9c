from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from regard.core import Facts, Features, Paper, ShapeError, Tap
from regard.core.precision import widen
from regard.testing import check_attention
from tests.testing.gates import Gate, failures

FACTS = Facts(
    name="mine",
    family="channel",
    dims=(2,),
    paper=Paper(title="Mine", authors="Me", year=2026, venue="Here", identifier="doi:10.1000/1"),
)


class ZeroWide(nn.Module):
    """The hidden layer of most ports: no units where there are fewer channels than the reduction."""

    def __init__(self, channels, reduction=16):
        super().__init__()
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(torch.relu(self.reduce(x.mean((2, 3))))))[:, :, None, None]


class GivesUp(Gate):
    """A gate that turns into a constant where there are few channels."""

    def __init__(self, channels):
        super().__init__(channels)
        self.few = channels < 16

    def gate(self, x):
        return super().gate(0 * x if self.few else x)


class NotThree(Gate):
    """Heads that must divide the channels."""

    def __init__(self, channels):
        if channels > 2 and channels % 2:
            raise ValueError(f"channels={channels} must be even")
        super().__init__(channels)


class Swallows(Gate):
    """Takes any keyword in silence."""

    def __init__(self, channels, **_):
        super().__init__(channels)


class Trips(Gate):
    """Answers a misspelt option with an error about something else."""

    def __init__(self, channels, **options):
        if options:
            raise AttributeError("no attribute")
        super().__init__(channels)


class BiasFirst(nn.Module):
    """The bias before the weight."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Module()
        self.inner.bias = nn.Parameter(torch.zeros(channels))
        self.inner.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        gate = torch.sigmoid(self.inner.weight * x.mean((2, 3)) + self.inner.bias)
        return x * gate[:, :, None, None].to(x.dtype)


class TakesAnything(Features):
    """Rescales each channel by its mean, whatever x is."""

    facts: ClassVar[Facts] = FACTS

    def __init__(self, channels, *, start="paper"):
        super().__init__(channels, start=start)
        self.weight = nn.Parameter(torch.ones(channels))
        self.gate = Tap("gate")

    def forward(self, x):
        mean = widen(x).mean((2, 3) if x.ndim == 4 else 1)
        weight = self.weight if mean.shape[-1] == self.channels else 1
        gate = self.temper(torch.sigmoid(weight * mean))
        return x * self.gate(gate[:, :, None, None] if x.ndim == 4 else gate[:, None]).to(x.dtype)


class TakesFloats(TakesAnything):
    """The same for features only, with PyTorch's error."""

    def forward(self, x):
        x.frac()
        return super().forward(x)


class TakesAnyAxes(TakesAnything):
    """The same with an error that does not say what was given."""

    def forward(self, x):
        if not x.is_floating_point() or x.ndim != 4:
            raise ShapeError("bad input")
        self.expect(x)
        return super().forward(x)


class Careful(TakesAnything):
    """The same, with errors."""

    def forward(self, x):
        self.expect(x)
        return super().forward(x)


def test_a_hidden_layer_without_units_fails_few_channels():
    found = failures(ZeroWide)
    assert found.keys() == {"few_channels"}
    assert "1 channel: the parameter reduce.weight has shape (0, 1)" in found["few_channels"]


def test_a_constant_gate_fails_few_channels():
    found = failures(GivesUp)
    assert found.keys() == {"few_channels"}
    assert "2 channels: y is a linear function of x" in found["few_channels"]


def test_channels_that_must_divide_fail_few_channels():
    found = failures(NotThree)
    assert found.keys() == {"few_channels"}
    assert "channels=3 must be even" in found["few_channels"]


def test_a_constant_map_may_ignore_its_input():
    assert check_attention(lambda channels: nn.Conv2d(channels, channels, 1), checks=("few_channels",)).passed


def test_a_keyword_that_is_swallowed_fails():
    found = failures(Swallows)
    assert found.keys() == {"misspelt_option"}
    assert "no_such_option=1 was accepted in silence" in found["misspelt_option"]


def test_an_unrelated_error_fails_misspelt_option():
    assert "raised AttributeError" in failures(Trips, checks=("misspelt_option",))["misspelt_option"]


def test_an_option_is_misspelt_by_one_letter():
    def build(channels, reduction=16, **others):
        assert not others.get("reductions")
        return ZeroWide(channels, reduction)

    assert "reductions=1 raised AssertionError" in failures(build, checks=("misspelt_option",))["misspelt_option"]


def test_a_bias_before_its_weight_fails_the_order():
    found = failures(BiasFirst)
    assert found.keys() == {"parameter_order"}
    assert "inner.bias is registered before weight" in found["parameter_order"]


def test_taking_anything_fails_wrong_input():
    found = failures(TakesAnything)
    assert found.keys() == {"wrong_input"}
    assert "torch.int32 was accepted: begin forward with self.expect(x)" in found["wrong_input"]
    assert not failures(Careful)


def test_an_error_of_another_kind_fails_wrong_input():
    found = failures(TakesFloats)
    assert found.keys() == {"wrong_input"}
    assert "it should be a ShapeError: begin forward with self.expect(x)" in found["wrong_input"]


def test_an_error_without_the_value_fails_wrong_input():
    found = failures(TakesAnyAxes)
    assert found.keys() == {"wrong_input"}
    assert "raised ShapeError: bad input; the text should say torch.int32" in found["wrong_input"]


class Counted(Features):
    """A gate of one linear layer, whose facts state the number of its parameters."""

    facts: ClassVar[Facts] = replace(FACTS, parameters="c*c + bias*c")

    def __init__(self, channels, *, bias=True, start="paper"):
        super().__init__(channels, start=start)
        self.score = nn.Linear(channels, channels, bias=bias)

    def forward(self, x):
        self.expect(x)
        return x * self.temper(torch.sigmoid(self.score(x.mean((2, 3)))))[:, :, None, None]


class Miscounted(Counted):
    """Forgets the bias."""

    facts: ClassVar[Facts] = replace(FACTS, parameters="c*c")


def test_the_count_formula_is_checked_with_options():
    for made in (Counted, partial(Counted, bias=False), partial(Counted, start="identity")):
        assert not failures(made, ("parameter_count",))
    found = failures(Miscounted, ("parameter_count",))
    assert "1 channel, 2-D: it has 2 parameters; the formula in its facts, 'c*c', gives 1." in found["parameter_count"]
    assert not failures(partial(Miscounted, bias=False), ("parameter_count",))
    assert check_attention(nn.Conv2d(3, 3, 1), channels=3, checks=("parameter_count",)).skipped
