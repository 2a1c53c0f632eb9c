import math

import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.sge import SGE
from regard.core.errors import OptionError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.formulas import sigmoid


def formula(x, p, groups, unbiased=True):
    """Equations 1 to 6 of the paper: each vector of a group against the group's mean vector."""
    y = x.copy()
    for n, image in enumerate(x):
        for g, group in enumerate(np.split(image, groups)):
            vectors = group.reshape(len(group), -1).T
            similarity = np.array([vectors.mean(0) @ vector for vector in vectors])
            std = similarity.std(ddof=1 if unbiased else 0)
            t = (similarity - similarity.mean()) / (std + 1e-5)
            gate = sigmoid(p["weight"][g] * t + p["bias"][g])
            first = g * len(group)
            y[n, first : first + len(group)] = group * gate.reshape(group.shape[1:])
    return y


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (2, 6, 1, 8)])
@pytest.mark.parametrize(("groups", "unbiased"), [(1, True), (3, True), (6, False), (None, True)])
def test_it_is_the_papers_formula(shape, groups, unbiased):
    module, x = drawn(SGE(6, groups=groups, unbiased=unbiased)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), groups or 2, unbiased), rtol=1e-10)


def test_a_case_computed_by_hand():
    module = SGE(2, groups=1)
    with torch.no_grad():
        module.weight.fill_(math.log(3) * math.sqrt(2))
        module.bias.fill_(0.0)
    # The mean vector is (2, 0), the similarities are 2 and 6, their mean 4, their std sqrt 8: t is -+ 1 / sqrt 2.
    y = module(torch.tensor([[[1.0, 3.0], [4.0, -4.0]]]))
    torch.testing.assert_close(y, torch.tensor([[[0.25, 2.25], [1.0, -3.0]]]), rtol=1e-4, atol=1e-5)


def test_a_single_position_gets_the_bias_map():
    module = drawn(SGE(6, groups=3))
    x = features(2, 6, 1, 1)
    gates = np.repeat(sigmoid(arrays(module)["bias"]), 2).reshape(1, 6, 1, 1)
    assert_equal(module(x), x.numpy() * gates)


def test_counts_of_the_published_networks():
    assert count(SGE(256)) == 128
    assert PLAIN_RESNET[50] + sum(n * count(SGE(c)) for c, n in block_outputs(50)) == 25_559_080
    assert [SGE(c).groups for c in (64, 256, 96, 6, 7)] == [64, 64, 32, 2, 1]


def test_it_starts_with_one_map_for_all():
    module, x = SGE(8, groups=2), torch.randn(2, 8, 5, 3)
    torch.testing.assert_close(module(x), x / (1 + math.exp(-1)))
    assert not module.weight.any()
    assert SGE(8, start="identity").weight.all()
    assert names(module) == ["weight", "bias"]


def test_the_map_has_a_plane_for_each_group():
    module, x, seen = drawn(SGE(6, groups=3)), features(2, 6, 3, 4), []
    module.gate.sink = seen.append
    y = module(x)
    assert seen[0].shape == (2, 3, 3, 4)
    assert torch.equal(y, x * seen[0].repeat_interleave(2, 1))


def test_the_authors_layout_goes_there_and_back():
    module = drawn(SGE(6, groups=3))
    state = export_weights(module, "official")
    assert {name: tuple(values.shape) for name, values in state.items()} == {
        "weight": (1, 3, 1, 1),
        "bias": (1, 3, 1, 1),
    }
    other = SGE(6, groups=3).double()
    import_weights(other, state, "official")
    x = features(2, 6, 3, 4)
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 3}, r"sge: groups=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"groups": 0}, "sge: groups=0 is not allowed; it must be an integer of at least 1"),
        ({"unbiased": None}, "sge: unbiased=None is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SGE(8, **options)
