"""Random numbers as functions of seed, epoch and step: a resumed run equals one that was never stopped."""

import random
from collections.abc import Iterable, Iterator, Sized
from typing import Any

import lightning as L
import numpy as np
import torch

from regard.core.batch import Batch
from regard.core.seeding import key


def reseed(*parts: int | str) -> None:
    """Seeds the generators of PyTorch (every device), Python and NumPy with `key(*parts)`."""
    seed = key(*parts)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


class Epochs:
    """A loader that is opened for each epoch with generators seeded by (seed, "epoch", epoch).

    The loader starts with the request for the first batch: its workers and its order cannot have the seed of another
    epoch, as they would if the trainer opened the loader before it sets the epoch.

    Args:
        loader: yields `core.Batch`; `set_epoch` of its sampler is called if there is one.
        seed: random seed of the run.
    """

    def __init__(self, loader: Iterable[Batch], seed: int) -> None:
        self.loader = loader
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        assert isinstance(self.loader, Sized)
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        reseed(self.seed, "epoch", self.epoch)
        for sampler in {id(s): s for s in self._samplers()}.values():
            if callable(set_epoch := getattr(sampler, "set_epoch", None)):
                set_epoch(self.epoch)
        yield from self.loader

    def _samplers(self) -> list[object]:
        batches = getattr(self.loader, "batch_sampler", None)
        return [getattr(self.loader, "sampler", None), batches, getattr(batches, "sampler", None)]


class Seeds(L.Callback):
    """Sets the epoch of the loader, and seeds each step by (seed, "step", step)."""

    def __init__(self, loader: Epochs) -> None:
        self.loader = loader

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Sets the epoch before the loader is opened."""
        self.loader.epoch = trainer.current_epoch

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seeds the step, so that its random numbers (dropout, mixup) do not depend on earlier steps."""
        reseed(self.loader.seed, "step", trainer.current_epoch * len(self.loader) + batch_idx)
