from types import SimpleNamespace

import pytest
import torch
from torch import nn

from regard.core import DataError, OptionError, ShapeError, Tap
from regard.explanation.recording import Recording
from regard.explanation.substitution import Neutral, Permute, Swap, derangement
from tests.explanation.nets import Identity


def store(values, memory=2**30):
    """The recording of a network that passes `values` (b, ...) at the tap "t"."""
    recording = Recording(memory, 0)
    for index, value in enumerate(values):
        recording._store(index, {("t", 0): value})
    return recording


def permute(values, kind, *seed):
    substitution = Permute({"t": Tap(kind)}, store(values), *seed)
    substitution.prepare(nn.Identity(), values, range(len(values)))
    return substitution.substitute(("t", 0), values)


@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_derangement_has_no_fixed_points(n):
    for seed in range(20):
        order = derangement(n, torch.Generator().manual_seed(seed))
        assert sorted(order.tolist()) == list(range(n))
        assert not (order == torch.arange(n)).any()


def test_derangements_are_uniform():
    random = torch.Generator().manual_seed(0)
    counts = {}
    for _ in range(9000):
        order = tuple(derangement(4, random).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 9  # all that there are
    assert max(abs(count - 1000) for count in counts.values()) < 5 * 1000**0.5


def test_gate_channels_are_permuted_equally_for_images():
    values = torch.rand(5, 6, 1, 1)
    other = permute(values, "gate", 3)
    order = [values[0].flatten().tolist().index(v) for v in other[0].flatten().tolist()]
    assert all(order[c] != c for c in range(6))
    assert torch.equal(other, values[:, order])
    assert torch.equal(permute(values, "gate", 3), other)
    assert not torch.equal(permute(values, "gate", 4), other)


def test_spatial_map_positions_are_permuted():
    values = torch.rand(2, 1, 3, 4)
    other = permute(values, "spatial", 0)
    assert other.shape == values.shape
    assert torch.equal(other.flatten(1).sort(1).values, values.flatten(1).sort(1).values)
    assert (other != values).all()


def test_mixed_map_is_permuted_along_both_axes():
    channels, positions = torch.rand(1, 5, 1, 1), torch.rand(1, 1, 3, 3)
    other = permute(channels * positions, "mixed", 0)
    assert torch.linalg.matrix_rank(other[0].flatten(1)) == 1  # whole channels and whole positions moved
    assert (other.mean((2, 3)) != (channels * positions).mean((2, 3))).all()
    assert (other.mean(1) != (channels * positions).mean(1)).all()


def test_branch_shares_sum_to_one_after_permuting():
    values = torch.softmax(torch.randn(3, 2, 7, 1, 1), 1)
    other = permute(values, "branch", 0)
    torch.testing.assert_close(other.sum(1), torch.ones(3, 7, 1, 1))
    assert (other != values).all()


def test_glimpse_gets_a_random_location():
    own = torch.zeros(500, 1, 2)
    indices = permute(own, "glimpse", 3)
    assert indices.shape == own.shape
    assert indices.abs().max() <= 1
    assert (indices.mean((0, 1)).abs() < 4 / (3 * 500) ** 0.5).all()
    assert torch.equal(permute(own, "glimpse", 3), indices)
    assert not torch.equal(permute(own, "glimpse", 4), indices)


def test_map_without_permutable_axes_is_refused(monkeypatch):
    monkeypatch.setattr("regard.explanation.substitution.PERMUTED", {})
    with pytest.raises(OptionError, match=r"'t' passes a map of kind 'gate'.*leave out the mode 'permuted'"):
        Permute({"t": Tap("gate")}, Recording(1, 0))


@pytest.mark.parametrize(
    ("kind", "shape", "looked_at"),
    [
        ("query", (2, 3, 2, 2, 2, 3), (4, 5)),
        ("cross", (2, 1, 3, 4, 7), (4,)),
        ("affinity", (2, 2, 5, 5), (3,)),
        ("kernel", (2, 1, 3, 3), (2, 3)),
        ("grid", (2, 3, 4, 2), (1, 2)),
        ("branch", (2, 2, 1, 3, 4), (3, 4)),
    ],
)
def test_keys_are_permuted_and_rows_keep_values(kind, shape, looked_at):
    values = torch.rand(shape)
    other = permute(values, kind, 0)
    assert other.shape == values.shape
    assert (other != values).all()
    kept, moved = (
        v.movedim(looked_at, tuple(range(len(looked_at)))).flatten(0, len(looked_at) - 1) for v in (values, other)
    )
    order = [(kept == row).flatten(1).all(1).nonzero().item() for row in moved]
    assert sorted(order) == list(range(len(kept)))
    assert all(torch.equal(kept[index], row) for index, row in zip(order, moved, strict=True))


def test_neutral_map_comes_from_the_tap():
    tap = Tap("query", shares="source")
    own = torch.rand(3, 2, 2, 3, 2, 3)
    assert torch.equal(Neutral({"t": tap}).substitute(("t", 0), own), torch.full((1, 2, 2, 3, 2, 3), 1 / 6))


def test_swapping_is_a_derangement():
    values = torch.arange(30.0)[:, None, None, None]
    substitution = Swap({"t": Tap("gate")}, store(values), 30, "evaluation", 0)
    substitution.prepare(nn.Identity(), values, range(30))
    swapped = substitution.substitute(("t", 0), values)
    assert (swapped != values).all()
    assert torch.equal(swapped.flatten().sort().values, values.flatten())


def test_donors_come_from_the_stored_sample():
    values = torch.arange(40.0)[:, None, None, None]
    recording = store(values, memory=10 * 4)
    donors = Swap({"t": Tap("gate")}, recording, 40, 0).donors
    assert set(donors) <= set(recording.indices)
    assert len(set(donors)) > 3
    assert all(donor != index for index, donor in enumerate(donors))


def test_permuted_maps_that_were_forgotten_are_computed_again():
    net = Identity()
    images = torch.arange(9.0)[:, None, None, None].expand(9, 1, 2, 2)
    substitution = Permute({"tap": net.tap}, Recording(1, 0), 0)
    substitution.prepare(net, (images,), range(9))
    assert torch.equal(substitution.substitute(("tap", 0), images[:, :, :1, :1]), images[:, :, :1, :1])  # one channel


def test_a_spatial_map_of_another_size_is_resized():
    ramp = torch.linspace(0, 1, 8).expand(1, 8, 8)
    recording = store([ramp, torch.zeros(1, 3, 5)])
    substitution = Swap({"t": Tap("spatial")}, recording, 2, 0)
    substitution.prepare(nn.Identity(), torch.zeros(2), range(2))
    substitution._maps = {("t", 0): substitution._maps[("t", 0)][1:]}  # the image of 3 x 5 takes the ramp
    taken = substitution.substitute(("t", 0), torch.zeros(1, 1, 3, 5))
    assert taken.shape == (1, 1, 3, 5)
    assert (taken.diff(dim=3) > 0).all()


def test_maps_that_cannot_be_resized_are_an_error():
    substitution = Swap({"t": Tap("gate")}, store([torch.zeros(2, 1, 1), torch.zeros(3, 1, 1)]), 2, 0)
    substitution.prepare(nn.Identity(), torch.zeros(2), range(2))
    with pytest.raises(ShapeError, match="images of one size"):
        substitution.substitute(("t", 0), torch.zeros(2, 2, 1, 1))


def test_a_single_image_has_nothing_to_swap_with():
    with pytest.raises(DataError, match="one image only"):
        Swap({"t": Tap("gate")}, SimpleNamespace(indices=(0,)), 1, 0)


def test_neutral_is_the_taps_own():
    neutral = Neutral({"t": Tap("branch", neutral=0.5)})
    assert neutral.substitute(("t", 0), torch.rand(3, 2, 4, 1, 1)).unique().item() == 0.5


def test_calls_get_their_own_maps_each_pass():
    class Numbers(Neutral):
        def substitute(self, call, own):
            return torch.full_like(own, call[1])

    tap = Tap("gate")
    net = nn.Sequential(tap, nn.Identity(), tap)
    substitution = Numbers({"0": tap})
    for _ in range(2):
        seen = []
        tap.sink = lambda values: seen.append(values.item())  # noqa: B023
        with substitution.apply(net):
            net(torch.ones(1, 1))
        assert seen == [0.0, 1.0]
