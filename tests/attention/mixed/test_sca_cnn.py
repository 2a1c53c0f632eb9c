import math

import numpy as np
import pytest
import torch

from regard.attention.mixed.sca_cnn import SCACNN
from regard.core import taps
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import affine, over_positions, positions_mean, softmax


def channel_map(x, p, state=None):
    """c times the softmax over channels, each scored by its own mean and by the state."""
    scores = np.zeros(x.shape[:2])
    for n, means in enumerate(positions_mean(x)):
        steered = 0 if state is None else p["channel_state.weight"] @ state[n]
        for c, mean in enumerate(means):
            hidden = np.tanh(p["channel_embed.weight"][:, 0] * mean + p["channel_embed.bias"] + steered)
            scores[n, c] = p["channel_score.weight"][0] @ hidden + p["channel_score.bias"][0]
    return over_positions(x.shape[1] * softmax(scores, 1), x)


def spatial_map(x, p, state=None):
    """n times the softmax over the n positions, each scored by its own channels and by the state."""
    scores = []
    for n, image in enumerate(x):
        steered = 0 if state is None else p["spatial_state.weight"] @ state[n]
        vectors = image.reshape(image.shape[0], -1).T
        hidden = np.tanh(affine(p["spatial_embed.weight"][..., 0], vectors, p["spatial_embed.bias"]) + steered)
        scores.append(affine(p["spatial_score.weight"][..., 0], hidden, p["spatial_score.bias"])[:, 0])
    scores = np.array(scores)
    return (scores.shape[1] * softmax(scores, 1)).reshape(x.shape[0], 1, *x.shape[2:])


def formula(x, p, order, state=None):
    """The second map is made of what the first has left."""
    if order == "channel-spatial":
        channel = channel_map(x, p, state)
        return x * channel * spatial_map(x * channel, p, state)
    spatial = spatial_map(x, p, state)
    return x * spatial * channel_map(x * spatial, p, state)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("order", ["channel-spatial", "spatial-channel"])
def test_it_is_the_papers_formula(shape, order):
    module, x = drawn(SCACNN(6, hidden=5, order=order)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), order), rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("order", ["channel-spatial", "spatial-channel"])
def test_with_a_state_it_is_the_papers_formula(shape, order):
    module, x = drawn(SCACNN(6, hidden=5, state_size=4, order=order)), features(*shape)
    state = features(shape[0], 4, seed=2)
    assert_equal(module(x, state), formula(x.numpy(), arrays(module), order, state.numpy()), rtol=1e-10)


def test_the_state_steers_both_maps():
    module, x, seen = drawn(SCACNN(6, hidden=5, state_size=4)), features(2, 6, 7, 5), {"channel": [], "spatial": []}
    for path, tap in taps(module).items():
        tap.sink = seen[path].append
    state = features(2, 4, seed=2).requires_grad_()
    module(x, state).square().sum().backward()
    module(x, -state)
    for maps in seen.values():
        assert not torch.allclose(*maps)
    assert (state.grad.abs() > 0).all()
    for name in ("channel_state.weight", "spatial_state.weight"):
        assert (module.get_parameter(name).grad.abs() > 0).any()


def test_a_zero_state_changes_nothing():
    module, plain, x = drawn(SCACNN(6, hidden=5, state_size=4)), SCACNN(6, hidden=5).double(), features(2, 6, 7, 5)
    plain.load_state_dict({name: values for name, values in module.state_dict().items() if "_state" not in name})
    torch.testing.assert_close(module(x, torch.zeros(2, 4).double()), plain(x), rtol=1e-12, atol=0)


def test_a_state_is_required_exactly_with_state_size():
    x = torch.zeros(2, 6, 3, 3)
    with pytest.raises(ShapeError, match=r"there is no state, and .* pass a tensor \(2, 4\), or build it with"):
        SCACNN(6, state_size=4)(x)
    with pytest.raises(ShapeError, match=r"a state of shape \(2, 4\) was given, and .* state_size=4"):
        SCACNN(6)(x, torch.zeros(2, 4))
    for wrong in (torch.zeros(2, 5), torch.zeros(3, 4), torch.zeros(4), torch.zeros(2, 4).int()):
        with pytest.raises(ShapeError, match=r"the state has shape .* it must be floating point \(2, 4\)"):
            SCACNN(6, state_size=4)(x, wrong)


@pytest.mark.parametrize("state_size", [None, 4])
def test_example_inputs_fit_the_instance(state_size):
    module = SCACNN(6, hidden=5, state_size=state_size)
    inputs = module.example_inputs(6, (3, 4), 2)
    assert [tuple(x.shape) for x in inputs] == [(2, 6, 3, 4), (2, 4)][: 1 if state_size is None else 2]
    assert module(*inputs).shape == (2, 6, 3, 4)


def test_channels_last_features_give_the_same():
    module, x = drawn(SCACNN(6, hidden=5)), features(2, 6, 7, 5)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), module(x), rtol=1e-10, atol=1e-12)


def test_a_case_computed_by_hand():
    module = SCACNN(2, hidden=1)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.channel_embed.weight.fill_(50.0)
        module.channel_score.weight.fill_(math.log(3) / 2)
    # The means 1 and -1 are squashed to 1 and -1, the logits are log 3 / 2 and its negative, the shares 3/4 and 1/4,
    # the map twice those; the positions stay uniform.
    y = module(torch.tensor([[[1.0, 1.0], [0.0, -2.0]]]))
    assert y.flatten().tolist() == pytest.approx([1.5, 1.5, 0.0, -1.0])


def test_counts_and_order():
    # W is 1 x 512 for the channels and c x 512 for the positions, both scores 512 x 1, all with biases.
    assert count(SCACNN(64)) == (512 + 512 + 512 + 1) + (64 * 512 + 512 + 512 + 1)
    layers = ["channel_embed", "channel_score", "spatial_embed", "spatial_score"]
    assert names(SCACNN(8)) == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    # The state adds a matrix of 512 x 10 without bias to each score, as in the authors' code.
    assert count(SCACNN(64, state_size=10)) == count(SCACNN(64)) + 2 * 512 * 10
    assert names(SCACNN(8, state_size=10))[2] == "channel_state.weight"


def test_the_maps_start_near_uniform():
    torch.manual_seed(0)
    module, x = SCACNN(16), torch.randn(2, 16, 7, 7)
    torch.testing.assert_close(module(x), x, rtol=0.05, atol=0)
    assert not torch.equal(module(x), x)
    assert not module.spatial_embed.bias.any()
    assert module.spatial_embed.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_each_map_shares_one_budget():
    module, x, seen = drawn(SCACNN(6, hidden=5)), features(2, 6, 7, 5), {}
    for path, tap in taps(module).items():
        tap.sink = lambda values, path=path: seen.setdefault(path, values)
    module(x)
    assert seen["channel"].shape == (2, 6, 1, 1)
    assert seen["spatial"].shape == (2, 1, 7, 5)
    for tap, size in (("channel", 6), ("spatial", 35)):
        assert taps(module)[tap].high == math.inf
        torch.testing.assert_close(seen[tap].flatten(1).sum(1), torch.full((2,), float(size), dtype=torch.float64))
        assert seen[tap].max() > 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"order": "parallel"}, "sca_cnn: order='parallel' is not allowed; choose one of 'channel-spatial'"),
        ({"state_size": 0}, "sca_cnn: state_size=0 is not allowed; it must be an integer of at least 1"),
        ({"hidden": 0}, "sca_cnn: hidden=0 is not allowed; it must be an integer of at least 1"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        SCACNN(8, **options)
