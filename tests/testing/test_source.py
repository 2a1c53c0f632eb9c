from functools import partial

import pytest
import torch
from torch import nn

import regard
from regard.core import OptionError
from regard.testing.outcomes import CheckSkippedError
from regard.testing.source import Builds, Copies, name_of


class Options(nn.Module):
    """Its first argument without a default is the number of channels."""

    def __init__(self, planes: int, reduction: int = 4, *, bias: bool = True) -> None:
        super().__init__()
        self.layer = nn.Linear(planes, max(1, planes // reduction), bias=bias)


@pytest.mark.parametrize(
    "factory",
    [
        Options,
        partial(Options, reduction=2),
        lambda channels: Options(channels),
        lambda *, channels: Options(channels),
        lambda reduction=4, channels=99: Options(channels, reduction),
    ],
)
def test_the_number_of_channels_reaches_the_module(factory):
    builds = Builds(factory)
    assert builds.any_channels
    assert builds.make(12).layer.in_features == 12


@pytest.mark.parametrize(
    "factory", [lambda: Options(5), partial(Options, 5), lambda reduction=1: Options(5, reduction)]
)
def test_a_function_may_fix_the_number_of_channels(factory):
    builds = Builds(factory)
    assert not builds.any_channels
    assert builds.make(12).layer.in_features == 5


def test_options_are_the_named_ones():
    assert Builds(Options).options == ("reduction", "bias")
    assert Builds(Options).make(8, options={"reduction": 8}).layer.out_features == 1


def test_options_are_taken_by_name_or_keyword():
    assert Builds(Options).takes("reduction", 2)
    assert not Builds(Options).takes("start", "identity")
    assert Builds(partial(regard.create, "se")).takes("start", "identity")
    assert not Builds(partial(regard.create, "se")).takes("dims", 2)
    assert not Builds(lambda channels, **_: Options(channels)).takes("start", "identity")


def test_a_draw_decides_the_initial_values():
    before = torch.get_rng_state()
    first, same, other = (Builds(Options).make(8, draw=draw).layer.weight for draw in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_no_module_is_an_error():
    with pytest.raises(OptionError, match=r"returned list; it must return an nn\.Module"):
        Builds(lambda channels: [channels]).make(8)


def test_an_instance_is_copied_and_takes_no_options():
    original = Options(8).double()
    copies = Copies(original)
    twin = copies.make()
    assert twin.layer.weight.dtype == torch.float32
    assert original.layer.weight.dtype == torch.float64
    assert twin.layer.weight.data_ptr() != original.layer.weight.data_ptr()
    assert not copies.takes("reduction", 2)
    for arguments in ({"channels": 4}, {"options": {"reduction": 2}}):
        with pytest.raises(CheckSkippedError, match="needs the class or a function"):
            copies.make(**arguments)


def test_what_sentences_call_things():
    assert name_of(partial(partial(Options, 3), reduction=1)) == "Options"
    assert name_of(Options(3)) == "Options"
