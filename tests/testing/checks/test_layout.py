import torch
from torch import nn
from torch.nn import functional

from regard.testing import check_attention
from tests.testing.gates import Gate, failures


class SquareOnly(Gate):
    """The authors' BAM: a pooling window as wide as the image is high."""

    def forward(self, x):
        mean = functional.avg_pool2d(x, x.shape[2]).flatten(1)
        return x * torch.sigmoid(self.score(mean))[:, :, None, None]


class NeedsRoom(Gate):
    """A window that does not fit into small images."""

    def forward(self, x):
        return x * torch.sigmoid(functional.avg_pool2d(x, 3, stride=1)).mean((2, 3), keepdim=True) * self.gate(x)


class Narrower(Gate):
    """A convolution without padding."""

    def forward(self, x):
        return functional.pad(super().forward(x), (0, -(x.shape[3] > 6)))


class NormsOneImage(Gate):
    """A plain batch normalisation of the means."""

    def __init__(self, channels):
        super().__init__(channels)
        self.norm = nn.BatchNorm1d(channels)

    def gate(self, x):
        return torch.sigmoid(self.norm(self.score(x.mean((2, 3)))))[:, :, None, None]


class Squeezes(Gate):
    """Squeezes the batch axis of one image away."""

    def gate(self, x):
        return torch.sigmoid(self.score(x.mean((2, 3)).squeeze(0)))[:, :, None, None]


class Contiguous(Gate):
    """Writes y out in the default layout."""

    def forward(self, x):
        return super().forward(x).contiguous()


def test_a_square_only_pooling_fails_shapes():
    found = failures(SquareOnly)
    assert found.keys() == {"shapes"}
    assert "x (2, 16, 1, 7)" in found["shapes"] or "x (2, 16, 5, 1)" in found["shapes"]


def test_a_too_large_window_fails_small_sizes():
    found = failures(NeedsRoom)
    assert found.keys() == {"shapes", "batch_of_one"}
    assert "x (2, 16, 1, 1) in evaluation raised RuntimeError" in found["shapes"]


def test_an_undeclared_change_of_shape_fails():
    found = failures(Narrower, checks=("shapes", "batch_of_one"))
    assert "y has shape (2, 16, 1, 6); it must have the shape of x" in found["shapes"]
    assert not failures(Narrower, checks=("shapes", "batch_of_one"), keeps_shape=False)


def test_a_changed_shape_still_keeps_the_batch():
    class Forgets(Gate):
        def forward(self, x):
            return super().forward(x).mean(0, keepdim=True)

    found = failures(Forgets, checks=("shapes", "batch_of_one"), keeps_shape=False)
    assert found.keys() == {"shapes"}
    assert "its batch must have 2 items" in found["shapes"]


def test_promised_numbers_of_axes_are_checked():
    assert not failures(Gate, checks=("shapes",))
    assert "x (2, 16, 1) in evaluation raised" in failures(Gate, checks=("shapes",), dims=(1, 2))["shapes"]


def test_plain_batch_normalisation_fails_batch_of_one():
    found = failures(NormsOneImage)
    assert found.keys() == {"batch_of_one"}
    assert "in training raised ValueError: Expected more than 1 value per channel" in found["batch_of_one"]


def test_squeezing_the_batch_axis_fails_batch_of_one():
    found = failures(Squeezes)
    assert found.keys() == {"batch_of_one"}
    assert "x (1, 16, 1, 1) in evaluation raised" in found["batch_of_one"]


def test_a_contiguous_output_fails_channels_last():
    found = failures(Contiguous)
    assert found.keys() == {"channels_last"}
    assert "channels-last strides (320, 1, 80, 16)" in found["channels_last"]
    assert "y has strides (320, 20, 5, 1)" in found["channels_last"]


def test_a_changed_shape_keeps_the_memory_format():
    pool = nn.MaxPool2d(2, ceil_mode=True)
    assert check_attention(pool, channels=3, keeps_shape=False, checks=("channels_last",)).passed
    unpooled = nn.Sequential(pool, nn.Flatten(1), nn.Unflatten(1, (3, 2, -1)))
    assert failures(unpooled, channels=3, keeps_shape=False, checks=("channels_last",))
