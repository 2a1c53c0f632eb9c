"""A tiny task that a tiny network learns in a second."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from regard.attention import create
from regard.core import ImageBatch
from regard.training import Classification, Fit, fit

CLASSES = ("red", "green", "blue")


class Bars(Dataset):
    """Noise with a brighter row that names the class; an image is read with noise from all global generators."""

    def __init__(self, n: int, *, noisy: bool, multi_label: bool = False) -> None:
        own = torch.Generator().manual_seed(n)
        self.images = torch.randn(n, 2, 6, 6, generator=own)
        self.labels = torch.randint(0, 3, (n,), generator=own)
        if multi_label:
            self.labels = torch.randint(0, 2, (n, 3), generator=own).float()
            self.images += 2 * torch.nn.functional.pad(self.labels, (0, 3))[:, None, :, None]
        else:
            self.images[torch.arange(n), :, self.labels] += 2.0
        self.noisy = noisy

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        noise = torch.rand(()) + random.random() + float(np.random.rand()) if self.noisy else 0.0
        return self.images[index] + noise, self.labels[index], index


def collate(items: list[tuple[Tensor, Tensor, int]]) -> ImageBatch:
    images, labels, indices = zip(*items, strict=True)
    return ImageBatch(torch.stack(images), torch.stack(labels), torch.tensor(indices))


def fit_bars(net, recipe, train, val, *, classes=CLASSES, multi_label=False, labels=None, **options) -> Fit:
    """Trains a classifier of bars with the recipe's smoothing, class weights and mixing."""
    task = Classification.trained_by(recipe, classes, multi_label=multi_label, labels=labels)
    return fit(net, recipe, task, train, val, **options)


class Stopping:
    """A loader that fails before batch `at`, counted over all epochs."""

    def __init__(self, loader: DataLoader, at: int, error: BaseException) -> None:
        self.loader, self.left, self.error = loader, at, error

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[ImageBatch]:
        for batch in self.loader:
            if self.left == 0:
                raise self.error
            self.left -= 1
            yield batch


def make_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        create("se", channels=4, start="identity"),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(4 * 36, 3),
    )


def make_loader(*, train: bool, multi_label: bool = False, workers: int = 0, n: int = 40) -> DataLoader:
    return DataLoader(
        Bars(n if train else 24, noisy=train, multi_label=multi_label),
        batch_size=8,
        shuffle=train,
        collate_fn=collate,
        num_workers=workers,
    )


@pytest.fixture
def net() -> Callable[[], nn.Sequential]:
    return make_net


@pytest.fixture
def loader() -> Callable[..., DataLoader]:
    return make_loader


@pytest.fixture
def stopping() -> type[Stopping]:
    return Stopping


@pytest.fixture
def classes() -> tuple[str, ...]:
    return CLASSES


@pytest.fixture
def same() -> Callable[[nn.Module, nn.Module], bool]:
    """Returns True if two networks agree in every bit of their parameters and buffers."""

    def compare(a: nn.Module, b: nn.Module) -> bool:
        pairs = zip(chain(a.parameters(), a.buffers()), chain(b.parameters(), b.buffers()), strict=True)
        return all(torch.equal(x, y) for x, y in pairs)

    return compare


@pytest.fixture
def file_limit() -> Callable[[int], AbstractContextManager[None]]:
    """Inside `with file_limit(n)` no file of this process can grow over n bytes, as on a disk that is full."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
