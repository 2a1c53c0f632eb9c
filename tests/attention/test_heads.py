import pytest
import torch

from regard.attention.heads import (
    head_count,
    merge_heads,
    split_heads,
    to_features,
    to_tokens,
)
from regard.core import OptionError
from tests.attention.drawn import features


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 6, 3, 4), (1, 6, 2, 3, 4)])
def test_tokens_are_positions_and_turn_back_into_features(shape):
    x = features(*shape)
    tokens = to_tokens(x)
    assert torch.equal(tokens[0, 3], x[0].flatten(1)[:, 3])
    assert torch.equal(to_features(tokens, x), x)


def test_heads_are_consecutive_parts_of_the_channels():
    tokens = features(2, 5, 6)
    heads = split_heads(tokens, 3)
    assert torch.equal(heads[:, 1], tokens[..., 2:4])
    assert torch.equal(merge_heads(heads), tokens)


def test_heads_divide_the_channels():
    assert [head_count("m", None, 8, c) for c in (64, 12, 1, 19)] == [8, 4, 1, 1]
    assert head_count("m", 3, 8, 12) == 3
    with pytest.raises(OptionError, match=r"m: heads=5 is not allowed; it must divide the channels, 12 \(try 1\)"):
        head_count("m", 5, 8, 12)
    with pytest.raises(OptionError, match="m: heads=0"):
        head_count("m", 0, 8, 12)
