import pytest
import torch

from regard.testing import check_attention
from tests.testing.checks.test_numerics import WideMap
from tests.testing.gates import Gate, failures


class Right(WideMap):
    """Takes the mean of the features in float32."""

    def mean(self, x):
        return x.float().mean((2, 3))

    def gate(self, x):
        logits = self.score(self.mean(x).to(self.score.weight.dtype))
        return self.tap(torch.sigmoid(logits.float()))[:, :, None, None].to(x.dtype)


class MeansInHalf(Right):
    """The mean is rounded to the features' dtype."""

    def mean(self, x):
        return x.mean((2, 3))


class MeansOfALayer(Right):
    """The mean is float32 for any x, but not that of what a layer makes of it."""

    def mean(self, x):
        hidden = self.score(x.movedim(1, -1).to(self.score.weight.dtype))
        return hidden.mean((1, 2))


class WindowsByAProduct(Right):
    """Means over windows by a matrix of the sizes, which autocast multiplies in half precision."""

    def mean(self, x):
        size = x.shape[3]
        window = (torch.arange(size)[:, None] - torch.arange(size)).abs() < 2
        return (x.float() @ (window / window.sum(0))).mean((2, 3))


class SharesInHalf(Right):
    """A softmax over positions in the features' dtype."""

    def mean(self, x):
        flat = x.flatten(2)
        return (flat.float() * flat.softmax(2).float()).sum(2)


class Compares(Right):
    """A product of features alone and a maximum: neither is a statistic."""

    def mean(self, x):
        flat = x.flatten(2)
        return (flat @ flat.transpose(1, 2)).amax(2).float()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (MeansInHalf, "in bfloat16 under autocast to bfloat16: mean of (2, 16, 4, 5) gives bfloat16"),
        (MeansOfALayer, "in float32 under autocast to bfloat16: mean of (2, 4, 5, 16) gives bfloat16"),
        (WindowsByAProduct, "with a fixed (5, 5) gives bfloat16; take it in float32"),
        (SharesInHalf, "_softmax of (2, 16, 20) gives bfloat16"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_statistics_in_half_precision_fail(wrong, says):
    found = failures(wrong, ("autocast", "statistics"))
    assert found.keys() == {"statistics"}
    assert says in found["statistics"]


@pytest.mark.parametrize("right", [Right, Compares])
def test_statistics_in_float32_pass(right):
    assert not failures(right, ("statistics",))


def test_products_without_autocast_pass():
    class Windows(WindowsByAProduct):
        """The same means, without autocast."""

        def mean(self, x):
            with torch.autocast("cpu", enabled=False):
                return super().mean(x)

    assert not failures(Windows, ("statistics",))


def test_without_facts_it_is_skipped():
    assert check_attention(Gate, checks=("statistics",)).skipped
