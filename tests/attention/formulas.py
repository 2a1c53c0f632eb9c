"""The parts of the papers' formulas in NumPy: float64, and loops where they say more than a call."""

import itertools

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, axis):
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def relu(z):
    return np.maximum(z, 0)


def positions_mean(x):
    """(b, c): the mean of each channel of each image."""
    return np.array([[channel.mean() for channel in image] for image in x])


def positions_max(x):
    """(b, c): the maximum of each channel of each image."""
    return np.array([[channel.max() for channel in image] for image in x])


def affine(weight, s, bias=0.0):
    """W s + b for every row s of a batch."""
    return np.array([weight @ row for row in s]) + bias


def over_positions(channel_map, x):
    """(b, c) as (b, c, 1, ...), to be multiplied with x."""
    return channel_map.reshape(*channel_map.shape, *(1,) * (x.ndim - 2))


def normalise(x, mean, variance, weight, bias, eps=1e-5):
    """Batch normalisation of (b, c, ...) with the given statistics of each channel."""
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        y[:, c] = weight[c] * (x[:, c] - mean[c]) / np.sqrt(variance[c] + eps) + bias[c]
    return y


def batch_statistics(x):
    """The mean and the biased variance of each channel over images and positions."""
    channels = [x[:, c].ravel() for c in range(x.shape[1])]
    return np.array([c.mean() for c in channels]), np.array([((c - c.mean()) ** 2).mean() for c in channels])


def convolve(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """The cross-correlation of (b, c, ...) with (out, c / groups, k, ...), any number of position axes."""
    dims, kernel = x.ndim - 2, weight.shape[2:]
    padded = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * dims)
    sizes = [(n - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(padded.shape[2:], kernel, strict=True)]
    y = np.zeros((x.shape[0], weight.shape[0], *sizes))
    ins, outs = weight.shape[1], weight.shape[0] // groups
    for out in range(weight.shape[0]):
        first = out // outs * ins
        for offset in itertools.product(*map(range, kernel)):
            window = tuple(
                slice(o * dilation, o * dilation + stride * (n - 1) + 1, stride)
                for o, n in zip(offset, sizes, strict=True)
            )
            for c in range(ins):
                y[:, out] += weight[(out, c, *offset)] * padded[(slice(None), first + c, *window)]
        y[:, out] += 0 if bias is None else bias[out]
    return y
