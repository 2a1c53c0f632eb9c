"""The same epoch and step draw the same numbers, from every generator, however the loader is opened."""

import random

import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from regard.training.repeatable import Epochs, reseed


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_every_generator_is_seeded():
    reseed(0, "step", 1)
    first = draws()
    draws()
    reseed(0, "step", 1)
    assert draws() == first
    reseed(0, "step", 2)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


class Keyed(RandomSampler):
    epochs: tuple[int, ...] = ()

    def set_epoch(self, epoch):
        self.epochs = (*self.epochs, epoch)


def test_epochs_have_their_order_and_start_lazily():
    data = TensorDataset(torch.arange(50))
    sampler = Keyed(data)
    loader = Epochs(DataLoader(data, batch_size=50, sampler=sampler), seed=5)
    assert len(loader) == 1
    orders = {}
    for epoch in (0, 1, 0):
        state = torch.get_rng_state()
        opened = iter(loader)
        assert torch.equal(torch.get_rng_state(), state)
        loader.epoch = epoch
        (order,) = next(opened)
        assert orders.setdefault(epoch, order.tolist()) == order.tolist()
    assert orders[0] != orders[1]
    assert sampler.epochs == (0, 1, 0)
