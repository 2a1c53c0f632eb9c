"""Networks of a user's own for tests of exports, named as `tests.recipes.own_networks:FUNCTION`."""

import torch
from torch import nn


class Pooling(nn.Module):
    """A convolution, the mean over positions, a linear layer; a subclass changes the mean or the logits."""

    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.answer(self.fc(self.pool(self.conv(x).relu())))

    def pool(self, x):
        return x.mean((2, 3))

    def answer(self, logits):
        return logits


class OtherInExport(Pooling):
    """Computes something else while it is captured."""

    def answer(self, logits):
        return logits * 1.01 if torch.compiler.is_exporting() else logits


class OtherAtSizes(Pooling):
    """Divides by the number of positions as Python's number, which a graph keeps as it was."""

    def pool(self, x):
        return x.sum((2, 3)) / float(x.shape[2] * x.shape[3])


class OneSize(Pooling):
    """Takes images of 12 x 12 pixels alone."""

    def __init__(self, num_classes, in_channels):
        super().__init__(num_classes, in_channels)
        self.fc = nn.Linear(4 * 6 * 6, num_classes)

    def forward(self, x):
        if tuple(x.shape[2:]) != (12, 12):
            raise ValueError(f"it takes 12 x 12 pixels, not {x.shape[2]} x {x.shape[3]}")
        return super().forward(x)

    def pool(self, x):
        return x.flatten(1)


class OneBatch(Pooling):
    """Uses the length of a batch as a number."""

    def pool(self, x):
        return x.mean((2, 3)).reshape(len(x), 4)


def pooling(num_classes, in_channels):
    return Pooling(num_classes, in_channels)


def other_in_export(num_classes, in_channels):
    return OtherInExport(num_classes, in_channels)


def other_at_sizes(num_classes, in_channels):
    return OtherAtSizes(num_classes, in_channels)


def one_size(num_classes, in_channels):
    return OneSize(num_classes, in_channels)


def one_batch(num_classes, in_channels):
    return OneBatch(num_classes, in_channels)
