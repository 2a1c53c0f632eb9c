"""Temporal mechanisms with the faults of well-known code, each of which a check has to find."""

import torch

from regard.core import Attended, Facts, Input, Memory, Paper, Tap, Temporal
from regard.core.shapes import expect_query

FACTS = Facts(
    name="dotted",
    family="temporal",
    returns="context",
    paper=Paper(title="Dots", authors="A B", year=2020, venue="V", identifier="arXiv:2000.00000"),
)


class Careless(Temporal):
    """Dot products whose masked places get -inf before the softmax, and nothing more."""

    facts = FACTS

    def __init__(self, query_size, key_size):
        super().__init__(query_size, key_size)
        self.project = torch.nn.Linear(query_size, key_size)
        self.map = Tap("alignment", shares="source")

    def remember(self, keys, values=None, mask=None):
        self.expect_memory(keys, values, mask)
        return Memory(keys, keys if values is None else values, mask)

    def weigh(self, logits, allowed):
        return logits.masked_fill(~allowed, -torch.inf).softmax(-1)

    def forward(self, query, keys, values=None, *, mask=None, state=None, need_weights=True):
        memory = keys if isinstance(keys, Memory) else self.remember(keys, values, mask)
        expect_query(self.facts.name, query, self.query_size, memory.keys)
        single = query.ndim == 2
        logits = self.project(query.unsqueeze(1) if single else query) @ memory.keys.transpose(1, 2)
        allowed = torch.ones_like(logits, dtype=torch.bool)
        if memory.mask is not None:
            allowed = (memory.mask if memory.mask.ndim == 3 else memory.mask.unsqueeze(1)).expand_as(logits)
        weights = self.map(self.weigh(logits, allowed))
        context = weights @ memory.values
        weights, context = (t.squeeze(1) if single else t for t in (weights, context))
        return Attended(context, weights if need_weights else None, self.after(weights))

    def after(self, weights):
        return None


class Leaky(Careless):
    """A large negative number instead: padding gets a weight where nothing is allowed."""

    def weigh(self, logits, allowed):
        return logits.masked_fill(~allowed, -10.0).softmax(-1)


class Forgetful(Careless):
    """It says nothing of the state that it returns."""

    def after(self, weights):
        return weights


class Stateful(Forgetful):
    """It has a state, as its facts say, and never looks at it."""

    facts = Facts(
        name="stateful",
        family="temporal",
        returns="context",
        paper=FACTS.paper,
        parameters="1",
        inputs=(Input(name="state", shape="(b, k)", optional=True),),
    )
