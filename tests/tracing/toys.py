"""Mechanisms of one line, to see how an operation is recorded and called."""

import torch

from regard.core import Facts, Features, Paper
from regard.core.tap import Tap
from regard.tracing.operations import operands, record
from regard.tracing.sizes import CHANNELS, PROBES
from regard.tracing.words import words_of

PAPER = Paper(title="A Toy", authors="Ann One and Bob Two", year=2020, venue="Toys", identifier="arXiv:2001.00001")


class Toy(Features):
    """Computes a given function, as if its file lay beside those of the catalogue."""

    __module__ = "regard.attention.channel.toy"
    facts = Facts(name="toy", family="channel", paper=PAPER)

    def __init__(self, channels, does, parts=None):
        super().__init__(channels)
        self.does = does
        self.tap = Tap("gate")
        for name, part in (parts(channels) if parts else {}).items():
            setattr(self, name, part)

    def forward(self, x):
        return self.does(self, x)


def record_toy(does, parts=None, dims=2):
    """The operations of a toy."""
    modules = tuple(Toy(c, does, parts) for c in CHANNELS)
    inputs = tuple((torch.randn(1, c, *size),) for c, size in zip(CHANNELS, PROBES[dims], strict=True))
    return record(modules, inputs, dims)


def words(does, parts=None, dims=2):
    """The words for the operation that makes y."""
    operations = record_toy(does, parts, dims)
    y = operations.y
    kept = [n for n in operands(y) if operations.origins[n] == "features"]
    return words_of(y, kept, operations)
