import copy
import dataclasses
import pickle

import pytest
from torch import nn

from regard.core import Facts, Mechanism, Paper


class Doubled(Mechanism):
    """A mechanism of no base but the root."""

    facts = Facts(
        name="doubled",
        family="channel",
        paper=Paper(title="Doubles", authors="A B", year=2020, venue="V", identifier="arXiv:2000.00000"),
    )

    def __init__(self, channels, *, start="paper"):
        super().__init__()
        self.scale = nn.Linear(channels, 1)

    def forward(self, x):
        return 2 * x

    def example_inputs(self, channels=16, size=(8, 8), batch=2):
        raise NotImplementedError


def test_the_root_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Mechanism()


def test_the_count_follows_the_formula():
    class Counted(Doubled):
        """Has a formula."""

        facts = dataclasses.replace(Doubled.facts, parameters="c*h + bias*h where h = max(1, c // reduction)")

        def __init__(self, channels, *, reduction=4, bias=True, start="paper"):
            super().__init__(channels)

    assert Counted.count(16) == 16 * 4 + 4
    assert Counted.count(16, reduction=8, bias=False) == 16 * 2
    assert Counted.count(2) == 3


def test_a_copy_keeps_its_options():
    module = Doubled(4, start="identity")
    assert module.options == {"start": "identity"}
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other.options == module.options
    assert Doubled(channels=3).options == {"start": "paper"}


def test_amended_facts_are_the_modules_own():
    module = Doubled(4)
    module.amend(bare=False)
    assert not module.facts.bare
    assert Doubled(4).facts.bare
    assert Doubled.facts.bare


def test_the_count_takes_several_sizes():
    class Additive(Doubled):
        """Has two sizes."""

        facts = dataclasses.replace(Doubled.facts, parameters="query_size + hidden*key_size")

        def __init__(self, query_size, key_size, *, hidden=4):
            super().__init__(query_size)

    assert Additive.count(3, 5) == 3 + 4 * 5
    assert Additive(3, 5, hidden=2).options == {"hidden": 2}
