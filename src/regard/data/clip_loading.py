"""Batches of clips and sounds of unequal length, reproducible bit for bit for any number of workers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from regard.core.batch import ClipBatch
from regard.core.errors import DataError
from regard.core.options import at_least
from regard.core.seeding import generator
from regard.core.shared_memory import workers_that_fit
from regard.data.clip_preprocessing import ClipPreprocessing
from regard.data.clips import Clips
from regard.data.loading import Key, OrderedSampler


def clip_loader(
    clips: Clips,
    preprocessing: ClipPreprocessing,
    *,
    batch_size: int,
    seed: int = 0,
    shuffle: bool = False,
    training: bool = False,
    workers: int = 0,
    drop_last: bool = False,
    pin_memory: bool = False,
) -> DataLoader[ClipBatch]:
    """Makes a loader of batches, each padded to its longest clip.

    Call `loader.sampler.set_epoch(epoch)` before each epoch, as Lightning does.

    Args:
        clips: one split of a source.
        preprocessing: the preprocessing of the network.
        batch_size: clips a batch; the last one may be smaller.
        seed: determines the order together with the epoch, and a clip's frames with epoch and index.
        shuffle: True for a random order.
        training: True draws frames where the preprocessing's sampling is random.
        workers: processes that decode; 0 does it in this one, as does any number whose batches do not fit into the
            shared memory, with a warning.
        drop_last: True leaves out a smaller last batch.
        pin_memory: for faster copies to a GPU.

    Raises:
        DataError: there would be no batch.
        OptionError: an option out of its range.
    """
    at_least("clip_loader", "batch_size", batch_size, 1)
    at_least("clip_loader", "workers", workers, 0)
    if not len(clips) or (drop_last and len(clips) < batch_size):
        raise DataError(f"{len(clips)} clips make no batch of {batch_size}: choose a smaller batch size or more clips.")
    workers = workers_that_fit(workers, _largest_batch(clips, preprocessing, batch_size))
    return DataLoader(
        PreparedClips(clips, preprocessing, seed, training=training),
        batch_size=batch_size,
        sampler=OrderedSampler(len(clips), seed, shuffle),
        num_workers=workers,
        collate_fn=_identity_collate,
        drop_last=drop_last,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        generator=generator(seed, "workers"),
    )


class PreparedClips(Dataset[ClipBatch]):
    """Batches by their keys; the frames of a clip in training are a function of (seed, epoch, index)."""

    def __init__(
        self, clips: Clips, preprocessing: ClipPreprocessing, seed: int = 0, *, training: bool = False
    ) -> None:
        self.clips = clips
        self.preprocessing = preprocessing
        self.seed = seed
        self.training = training

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: Key) -> ClipBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> ClipBatch:
        indices = torch.tensor([key[1] for key in keys])
        read = [
            self.preprocessing.read(self.clips, key[1], generator(self.seed, *key, "frames") if self.training else None)
            for key in keys
        ]
        inputs, mask = pad_clips(read)
        return ClipBatch(inputs, mask, self.clips.labels[indices], indices)


def pad_clips(clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stacks clips (c, t, ...) of unequal length; returns (b, c, t, ...), zero where padded, and the mask (b, t).

    >>> inputs, mask = pad_clips([torch.ones(1, 2), torch.ones(1, 3)])
    >>> inputs.tolist(), mask.tolist()
    ([[[1.0, 1.0, 0.0]], [[1.0, 1.0, 1.0]]], [[True, True, False], [True, True, True]])
    """
    lengths = torch.tensor([clip.shape[1] for clip in clips])
    longest = int(lengths.max())
    padded = clips[0].new_zeros(len(clips), clips[0].shape[0], longest, *clips[0].shape[2:])
    for row, clip in zip(padded, clips, strict=True):
        row[:, : clip.shape[1]] = clip
    return padded, torch.arange(longest) < lengths[:, None]


def _largest_batch(clips: Clips, preprocessing: ClipPreprocessing, batch_size: int) -> int:
    """Bytes of a batch of the longest clips."""
    longest = int(clips.lengths.max())
    if preprocessing.mel is not None:
        longest = preprocessing.mel.frames(longest)
    frames = min(longest, preprocessing.frames or longest)
    height, width = preprocessing.size or (1, 1)
    return 4 * min(batch_size, len(clips)) * preprocessing.channels * frames * height * width


def _identity_collate(batch: Any) -> Any:
    return batch
