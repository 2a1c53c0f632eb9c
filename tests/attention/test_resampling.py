import pytest
import torch
from torch.nn import functional

from regard.attention.resampling import average, interpolate

SIZES = [((5,), (7,)), ((6,), (1,)), ((1, 7), (4, 3)), ((5, 6), (10, 13)), ((2, 3, 5), (4, 3, 2)), ((9, 4), (3, 8))]
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
POOLS = {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("given", "wanted"), SIZES)
def test_interpolation_is_that_of_pytorch(given, wanted, align_corners):
    x = torch.randn(2, 3, *given, dtype=torch.float64)
    theirs = functional.interpolate(x, size=wanted, mode=MODES[len(given)], align_corners=align_corners)
    torch.testing.assert_close(interpolate(x, wanted, align_corners=align_corners), theirs)


@pytest.mark.parametrize(("given", "wanted"), SIZES)
def test_averages_are_those_of_adaptive_pooling(given, wanted):
    x = torch.randn(2, 3, *given, dtype=torch.float64)
    torch.testing.assert_close(average(x, wanted), POOLS[len(given)](x, wanted))


@pytest.mark.parametrize("function", [average, interpolate])
def test_the_same_size_changes_nothing(function):
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(function(x, (4, 5)), x)


@pytest.mark.parametrize("function", [average, interpolate])
def test_an_export_keeps_the_size_dynamic(function):
    class Resampled(torch.nn.Module):
        def forward(self, x, like):
            return function(x, tuple(like.shape[2:]))

    axes = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        Resampled(), (torch.randn(2, 3, 4, 5), torch.randn(2, 3, 7, 6)), dynamic_shapes=(axes, axes)
    ).module()
    x, like = torch.randn(3, 3, 9, 2), torch.randn(3, 3, 5, 11)
    torch.testing.assert_close(program(x, like), Resampled()(x, like))
