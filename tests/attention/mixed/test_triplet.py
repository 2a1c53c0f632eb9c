import numpy as np
import pytest
import torch

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.triplet import Triplet
from regard.core import taps
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.formulas import batch_statistics, convolve, normalise, sigmoid


def formula(x, p, spatial=True, norm=None):
    """Equations 2 to 4 of the paper: each branch rotates the axis that it pools to the axis of the channels."""
    gated = []
    for number, axis in enumerate([*range(2, x.ndim), 1] if spatial else range(2, x.ndim)):
        rotated = np.swapaxes(x, 1, axis)
        pooled = np.stack([rotated.max(1), rotated.mean(1)], 1)
        weight = p[f"branches.{number}.conv.weight"]
        z = convolve(pooled, weight, padding=weight.shape[-1] // 2)
        statistics = norm(z) if norm else [p[f"branches.{number}.norm.running_{which}"] for which in ("mean", "var")]
        z = normalise(z, *statistics, p[f"branches.{number}.norm.weight"], p[f"branches.{number}.norm.bias"])
        gated.append(np.swapaxes(rotated * sigmoid(z), 1, axis))
    return sum(gated) / len(gated)


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 1, 1, 1), (2, 6, 1, 8)])
@pytest.mark.parametrize(("kernel_size", "spatial"), [(3, True), (7, True), (3, False)])
def test_it_is_the_papers_formula(shape, kernel_size, spatial):
    module = drawn(Triplet(shape[1], kernel_size=kernel_size, spatial=spatial, dims=len(shape) - 2))
    x = features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), spatial))


def test_the_running_statistics_have_momentum_0_01():
    module, x = drawn(Triplet(4, kernel_size=3)).train(), features(4, 4, 5, 3)
    expected = formula(x.numpy(), arrays(module), norm=batch_statistics)
    assert_equal(module(x), expected, rtol=1e-9)
    assert [branch.norm.momentum for branch in module.branches] == [0.01] * 3


def test_a_case_computed_by_hand():
    module = Triplet(2, kernel_size=1, dims=1).eval()
    with torch.no_grad():
        for branch, logit in zip(module.branches, (np.log(3), 0.0), strict=True):
            branch.conv.weight.copy_(torch.tensor([[[logit], [0.0]]]))
            branch.norm.weight.fill_((1 + 1e-5) ** 0.5)
    # The channels' maxima over positions are 1 and -1, whose maps are 3/4 and 1/4; the positions' map is 1/2.
    y = module(torch.tensor([[[1.0, 0.0], [-1.0, -8.0]]]))
    torch.testing.assert_close(y, torch.tensor([[[0.625, 0.0], [-0.375, -3.0]]]))


def test_counts_and_order():
    # The paper counts 6 k^2; the norms' weights and biases are 6 more.
    assert [count(Triplet(64, kernel_size=k)) for k in (3, 5, 7)] == [6 * k**2 + 6 for k in (3, 5, 7)]
    assert sum(n * count(Triplet(c)) for c, n in block_outputs(50)) == 4_800
    parts = ("conv.weight", "norm.weight", "norm.bias")
    assert names(Triplet(8)) == [f"branches.{branch}.{part}" for branch in range(3) for part in parts]


def test_it_starts_as_the_authors_networks():
    torch.manual_seed(0)
    module, x, seen = Triplet(8), torch.randn(2, 8, 5, 4), {}
    for path, tap in taps(module).items():
        tap.sink = lambda values, path=path: seen.setdefault(path, values)
    module(x)
    assert (seen["branches.2.gate"] == 0.5).all()
    assert not (seen["branches.0.gate"] == 0.5).all()
    assert Triplet(8, start="identity").branches[2].norm.weight.item() == 1
    # He's initialisation by the fan out, one channel times the positions of the kernel.
    wide = torch.cat([Triplet(8, kernel_size=31).branches[0].conv.weight.flatten() for _ in range(8)])
    assert wide.std().item() == pytest.approx((2 / 31**2) ** 0.5, rel=0.03)


def test_each_map_is_constant_along_its_axis():
    module, seen = drawn(Triplet(6)), []
    for tap in taps(module).values():
        tap.sink = seen.append
    x = features(2, 6, 3, 4)
    y = module(x)
    assert [tuple(values.shape) for values in seen] == [(2, 6, 1, 4), (2, 6, 3, 1), (2, 1, 3, 4)]
    torch.testing.assert_close(y, x * (seen[0] + seen[1] + seen[2]) / 3, rtol=1e-12, atol=0)
    assert [tap.kind.name for tap in taps(module).values()] == ["mixed", "mixed", "spatial"]


@pytest.mark.parametrize("spatial", [True, False])
def test_the_authors_layout_goes_there_and_back(spatial):
    module = drawn(Triplet(6, spatial=spatial))
    state = export_weights(module, "official")
    branches = ("cw", "hc", "hw") if spatial else ("cw", "hc")
    for branch in branches:
        assert state[f"{branch}.conv.conv.weight"].shape == (1, 2, 7, 7)
        assert state[f"{branch}.conv.bn.weight"].shape == (1,)
    assert {name.partition(".")[0] for name in state} == set(branches)
    # Their first branch pools the height and convolves over (channels, width), the second over (height, channels).
    assert torch.equal(state["hc.conv.conv.weight"], module.branches[1].conv.weight)
    renamed = {"cw": "ChannelGateH", "hc": "ChannelGateW", "hw": "SpatialGate"}
    released = {
        f"{renamed[branch]}.spatial.{rest.removeprefix('conv.')}": values
        for branch, rest, values in ((*name.split(".", 1), values) for name, values in state.items())
    }
    for theirs in (state, released):
        other = Triplet(6, spatial=spatial).double().eval()
        import_weights(other, theirs, "official")
        x = features(2, 6, 3, 4)
        assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 6}, "triplet: kernel_size=6 is not allowed; it must be odd"),
        ({"spatial": 0}, "triplet: spatial=0 is not allowed; it must be True or False"),
        ({"dims": 4}, "triplet: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"strict": 0}, "triplet: strict=0 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        Triplet(8, **options)


def test_strict_training_refuses_a_single_value():
    with pytest.warns(UserWarning, match="one value per channel"):
        Triplet(1)(torch.randn(1, 1, 1, 1))
    with pytest.raises(ShapeError, match="batches of two or more"):
        Triplet(1, strict=True)(torch.randn(1, 1, 1, 1))
