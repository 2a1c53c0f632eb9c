"""Batches whose order and augmentation are functions of (seed, epoch) and (seed, epoch, index) only."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from regard.core.batch import ImageBatch
from regard.core.errors import DataError, OptionError
from regard.core.options import at_least
from regard.core.seeding import generator, key, use_seed
from regard.core.shared_memory import workers_that_fit
from regard.data.augmentation import Augment, Shift
from regard.data.images import DrawnImages, Images
from regard.data.preprocessing import Preprocessing

Key = tuple[int, ...]
"""(epoch, index); if balanced sampling repeats an image in an epoch, (epoch, index, number of the repetition)."""


def loader(
    images: Images,
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    augment: Augment | None = None,
    seed: int = 0,
    shuffle: bool = False,
    balanced: bool = False,
    workers: int = 0,
    drop_last: bool = False,
    pin_memory: bool = False,
) -> DataLoader[ImageBatch]:
    """Makes a loader of batches, which are equal bit for bit for any number of workers.

    Call `loader.sampler.set_epoch(epoch)` before each epoch, as Lightning does.

    Args:
        images: one split of a source.
        preprocessing: the preprocessing of the network.
        batch_size: images a batch; the last one may be smaller.
        augment: random changes; None and `none` apply those of evaluation.
        seed: determines the order together with the epoch, and an image's augmentation with epoch and index.
        shuffle: True for a random order.
        balanced: True samples every class equally often, repeating images of small ones; the number of images in an
            epoch stays the same.
        workers: processes that decode and augment; 0 does it in this one, as does any number whose batches do not fit
            into the shared memory, with a warning.
        drop_last: True leaves out a smaller last batch.
        pin_memory: for faster copies to a GPU.

    Raises:
        DataError: there would be no batch.
        OptionError: an option out of its range; `balanced` with images of several classes.

    Example:
        >>> from regard.data import open_source, preprocessing_for
        >>> source = open_source("mnist-mini")
        >>> batches = loader(source.splits["val"], preprocessing_for(source), batch_size=100)
        >>> next(iter(batches)).images.shape
        torch.Size([100, 1, 28, 28])
    """
    at_least("loader", "batch_size", batch_size, 1)
    at_least("loader", "workers", workers, 0)
    if not len(images) or (drop_last and len(images) < batch_size):
        raise DataError(
            f"{len(images)} images make no batch of {batch_size}: choose a smaller batch size or more images."
        )
    if balanced and images.labels.ndim == 2:
        raise OptionError(
            "loader: balanced=True is not allowed if an image may have several classes; use class weights."
        )
    values = min(batch_size, len(images)) * preprocessing.channels * preprocessing.size[0] * preprocessing.size[1]
    workers = workers_that_fit(workers, 4 * values)
    sampler = BalancedSampler(images.labels, seed) if balanced else OrderedSampler(len(images), seed, shuffle)
    return DataLoader(
        PreparedBatches(images, preprocessing, augment or "none", seed),
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=_identity_collate,
        drop_last=drop_last,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        generator=generator(seed, "workers"),
    )


class PreparedBatches(Dataset[ImageBatch]):
    """Batches by their keys: images are augmented each under its own seed, then normalised together."""

    def __init__(self, images: Images, preprocessing: Preprocessing, augment: Augment, seed: int) -> None:
        self.images = images
        self.random: nn.Module | None = None if augment == "none" else preprocessing.augmentation(augment)
        self.fixed = preprocessing.augmentation("none")
        self.normalise = preprocessing.normalise()
        self.seed = seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Key) -> ImageBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> ImageBatch:
        indices = torch.tensor([key[1] for key in keys])
        images = self.images
        if isinstance(images, DrawnImages):
            images = images.at_epoch(keys[0][0])
        read = images.gather(indices.tolist())
        sized = self._apply_fixed(read) if self.random is None else self._augment(self.random, read, keys)
        return ImageBatch(self.normalise(sized), self.images.labels[indices], indices)

    def _apply_fixed(self, read: Tensor | list[Tensor]) -> Tensor:
        if isinstance(read, Tensor):
            sized: Tensor = self.fixed(read)
            return sized
        return torch.stack([self.fixed(image) for image in read])

    def _augment(self, random: nn.Module, read: Tensor | list[Tensor], keys: Sequence[Key]) -> Tensor:
        drawn = []
        with use_seed(self.seed):
            for image, parts in zip(read, keys, strict=True):
                torch.default_generator.manual_seed(key(self.seed, *parts))
                drawn.append(random.draw() if isinstance(random, Shift) else random(image))
        if isinstance(random, Shift):
            return random.apply_draws(self._apply_fixed(read), torch.stack(drawn))
        return torch.stack(drawn)


class OrderedSampler(Sampler[Key]):
    """Samples every image once, in an order determined by `seed` and the epoch, or by index."""

    def __init__(self, count: int, seed: int, shuffle: bool) -> None:
        self.count = count
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Key]:
        order = (
            torch.randperm(self.count, generator=generator(self.seed, self.epoch, "order"))
            if self.shuffle
            else torch.arange(self.count)
        )
        return ((self.epoch, index) for index in order.tolist())


class BalancedSampler(Sampler[Key]):
    """Samples as many keys as images, every class equally often (up to one), each iterating over its images."""

    def __init__(self, labels: Tensor, seed: int) -> None:
        self.labels = labels
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Key]:
        rng = generator(self.seed, self.epoch, "order")
        classes = self.labels.unique()
        share, more = divmod(len(self), len(classes))
        favoured = set(torch.randperm(len(classes), generator=rng)[:more].tolist())
        keys: list[Key] = []
        for rank, label in enumerate(classes.tolist()):
            members = (self.labels == label).nonzero()[:, 0]
            wanted, again = share + (rank in favoured), 0
            while wanted:
                turn = members[torch.randperm(len(members), generator=rng)][:wanted].tolist()
                keys += [(self.epoch, i, again) if again else (self.epoch, i) for i in turn]
                wanted, again = wanted - len(turn), again + 1
        return (keys[i] for i in torch.randperm(len(keys), generator=rng).tolist())


def _identity_collate(batch: Any) -> Any:
    return batch
