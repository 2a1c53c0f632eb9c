import pytest
import torch

from regard.core import Attended, Facts, Memory, OptionError, Paper, ShapeError, Tap, Temporal


class Dotted(Temporal):
    """Dot-product attention in the least that keeps the contract."""

    facts = Facts(
        name="dotted",
        family="temporal",
        returns="context",
        paper=Paper(title="Dots", authors="A B", year=2020, venue="V", identifier="arXiv:2000.00000"),
        parameters="0",
    )

    def __init__(self, query_size, key_size):
        super().__init__(query_size, key_size)
        self.map = Tap("alignment")

    def remember(self, keys, values=None, mask=None):
        self.expect_memory(keys, values, mask)
        return Memory(keys, keys if values is None else values, mask)

    def forward(self, query, keys, values=None, *, mask=None, state=None, need_weights=True):
        memory = keys if isinstance(keys, Memory) else self.remember(keys, values, mask)
        self.expect(query, memory.keys, memory.values, memory.mask)
        logits = (query.unsqueeze(1) if query.ndim == 2 else query) @ memory.keys.transpose(1, 2)
        weights = self.map(logits.softmax(-1))
        context = weights @ memory.values
        single = query.ndim == 2
        weights, context = (t.squeeze(1) if single else t for t in (weights, context))
        return Attended(context, weights if need_weights else None, state)


def test_it_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Temporal(3, 3)


def test_one_query_or_several_and_a_memory_agree():
    module, keys, query = Dotted(3, 3), torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    all_at_once, memory = module(query, keys), module.remember(keys)
    assert all_at_once.context.shape == (2, 4, 3)
    for step in range(4):
        single = module(query[:, step], memory, need_weights=False)
        torch.testing.assert_close(single.context, all_at_once.context[:, step])
        assert single.weights is None


def test_wrong_sizes_and_shapes_are_said():
    with pytest.raises(OptionError, match="dotted: key_size=0 is not allowed"):
        Dotted(3, 0)
    with pytest.raises(ShapeError, match="dotted: keys have shape"):
        Dotted(3, 3).remember(torch.zeros(2, 5, 4))
    with pytest.raises(ShapeError, match="dotted: query has shape"):
        Dotted(3, 3)(torch.zeros(2, 4), torch.zeros(2, 5, 3))
