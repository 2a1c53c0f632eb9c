"""Sizes are named after what they follow."""

import pytest

from regard.tracing.sizes import CHANNELS, PROBES, Sizes

C, D = CHANNELS
(H, W), (K, L) = PROBES[2]


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        ((C, D), "c"),
        ((C // 16, D // 16), "c/16"),
        ((3 * C, 3 * D), "3c"),
        ((3 * C // 4, 3 * D // 4), "3c/4"),
        ((H, K), "h"),
        ((W, L), "w"),
        ((H * W, K * L), "hw"),
        ((H + W, K + L), "h + w"),
        ((H * W + 1, K * L + 1), "hw + 1"),
        ((H // 2, K // 2), "h/2"),
        ((-(-H // 3), -(-K // 3)), "h/3"),
        ((7, 7), "7"),
        ((17, 23), "17"),
    ],
)
def test_a_size_is_named(pair, word):
    assert Sizes.of(2).word(pair) == word


@pytest.mark.parametrize("dims", PROBES)
def test_each_size_has_its_own_pair(dims):
    sizes = Sizes.of(dims)
    pairs = [CHANNELS, *sizes.axes.values(), *((c // k, d // k) for k in (2, 4, 8, 16, 32) for c, d in [CHANNELS])]
    assert len(set(pairs)) == len(pairs)
    assert all(a != b for a, b in pairs)


def test_only_a_batch_of_one_is_omitted():
    sizes = Sizes.of(2)
    assert sizes.shape((1, C, 1, W), (1, D, 1, L)) == "c × 1 × w"
    assert sizes.shape((2, C), (2, D)) == "2 × c"
    assert sizes.shape((1,), (1,)) == "1"


def test_axes_together_are_positions_or_one_of_them():
    sizes = Sizes.of(2)
    assert sizes.positions([(H, K), (W, L)]) == "positions"
    assert sizes.positions([(H * W, K * L)]) == "positions"
    assert sizes.positions([(W, L)]) == "w"
    assert sizes.positions([(C, D)]) == ""
