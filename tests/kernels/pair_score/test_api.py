import pytest
import torch

from regard.core import OptionError, ShapeError
from regard.kernels import score_pairs


def test_both_implementations_agree_in_every_dtype():
    drawn = torch.Generator().manual_seed(0)
    query, keys, weight = (torch.randn(*shape, generator=drawn) for shape in ((2, 5, 8), (2, 7, 8), (8,)))
    for dtype, tolerance in (
        (torch.float64, 1e-12),
        (torch.float32, 1e-5),
        (torch.bfloat16, 0.1),
        (torch.float16, 0.02),
    ):
        given = [tensor.to(dtype) for tensor in (query, keys, weight)]
        blocks, plain = (score_pairs(*given, impl=impl) for impl in ("blocks", "reference"))
        assert blocks.dtype == plain.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        torch.testing.assert_close(blocks, plain, rtol=tolerance, atol=tolerance)


def test_sizes_that_do_not_fit_are_said():
    with pytest.raises(ShapeError, match=r"score_pairs: query, keys and weight have the shapes .* they must be"):
        score_pairs(torch.zeros(1, 2, 4), torch.zeros(1, 3, 5), torch.zeros(4))


def test_an_implementation_that_is_not_there_is_said():
    with pytest.raises(OptionError, match="score_pairs: impl='triton' is not available here"):
        score_pairs(torch.zeros(1, 2, 4), torch.zeros(1, 3, 4), torch.zeros(4), impl="triton")
