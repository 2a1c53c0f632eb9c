"""Graphs take every batch, every size that the network's code leaves open, and say nothing of where they were made."""

import logging
import warnings

import pytest
import torch
from torch import nn

from regard import models
from regard.core import ExportError
from regard.data import Preprocessing
from regard.recipes.exportable import Exportable, capture, is_free, quiet, reason, takes
from tests.recipes.own_networks import OneBatch, OneSize, Pooling

KNOWN = Preprocessing(size=(12, 12), channels=1, mean=(0.3,), std=(0.2,))


@pytest.mark.graph
def test_a_graph_takes_other_batches_and_sizes():
    module = Exportable(Pooling(3, 1), KNOWN.normalise())
    pixels = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    program = capture(module, pixels, free=True)
    assert is_free(program)
    assert not any("stack_trace" in node.meta for node in program.graph.nodes)
    for shape in ((1, 1, 12, 12), (5, 1, 17, 9)):
        images = torch.randint(0, 256, shape, dtype=torch.uint8)
        want = module.net(KNOWN.eval().transforms[1](images))
        torch.testing.assert_close(program.module()(images), want)


@pytest.mark.graph
def test_sizes_are_fixed_on_request_or_by_code():
    x = torch.randn(2, 1, 12, 12)
    assert not is_free(capture(Exportable(Pooling(3, 1)), x, free=False))
    assert not is_free(capture(Exportable(OneSize(3, 1)), x, free=True))


def test_takes_gives_the_reason():
    assert takes(Exportable(OneSize(3, 1)), torch.randn(1, 1, 12, 12)) is None
    assert takes(Exportable(OneSize(3, 1)), torch.randn(1, 1, 13, 14)) == "it takes 12 x 12 pixels, not 13 x 14"


@pytest.mark.graph
def test_code_that_fixes_batches_is_named():
    with pytest.raises(ExportError, match=r"cannot capture the network for \(2, 1, 12, 12\): .*len\(x\) does not"):
        capture(Exportable(OneBatch(3, 1)), torch.randn(2, 1, 12, 12), free=True)


@pytest.mark.graph
def test_patches_stay_open():
    bag = models.BagOfPatches(nn.Sequential(Pooling(4, 1), nn.Linear(4, 3)), num_classes=3, in_channels=1, patch=8)
    graph = capture(Exportable(bag), torch.randn(2, 1, 20, 16), free=True).module()
    x = torch.randn(3, 1, 33, 25)
    torch.testing.assert_close(graph(x), bag.eval()(x))


def test_a_reason_is_the_causes_first_line():
    error = RuntimeError("outer")
    error.__cause__ = ValueError("\n  the cause.\nmore")
    assert reason(error) == "the cause"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 999))) == 200


def test_quiet_restores_logs_and_warnings():
    logger = logging.getLogger("torch.onnx")
    before, filters = logger.level, list(warnings.filters)
    with quiet():
        assert logger.level == logging.CRITICAL
    assert logger.level == before
    assert list(warnings.filters) == filters
