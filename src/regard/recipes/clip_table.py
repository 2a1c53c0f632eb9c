"""The data of a comparison of networks for clips or sounds, and all that a trial asks of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from regard import report, training
from regard.core.batch import ClipBatch
from regard.core.errors import RunError
from regard.core.run_record import NetworkRecord, RunRecord
from regard.data import ClipPreprocessing, Clips, ClipSource, Reading, clip_loader, clip_preprocessing_for
from regard.recipes.arms import Backbone
from regard.recipes.clips import clips_at_once, open_timed, timed_record, timed_task
from regard.training import Recipe

if TYPE_CHECKING:
    from regard.training import Classification


@dataclass(frozen=True)
class ClipTable:
    """The opened clips of a comparison: their source, the training clips that are used, and their preprocessing."""

    source: ClipSource
    train: Clips
    preprocessing: ClipPreprocessing

    @property
    def unit(self) -> str:
        """The word for an example: `clip` or `sound`."""
        return self.source.kind

    def backbone(self, model: str) -> Backbone:
        """Returns the network that all arms share."""
        return Backbone(model, len(self.source.classes), self.preprocessing.channels, self.source.kind)

    def loader(self, clips: Clips) -> DataLoader[ClipBatch]:
        """Returns batches to score."""
        return clip_loader(clips, self.preprocessing, batch_size=clips_at_once(clips, self.preprocessing))

    def training_loader(self, recipe: Recipe, seed: int) -> DataLoader[ClipBatch]:
        """Returns batches to train on."""
        size = recipe.batch_size
        return clip_loader(
            self.train, self.preprocessing, batch_size=size, seed=seed, shuffle=True, training=True,
            drop_last=len(self.train) % size == 1 < len(self.train),
        )  # fmt: skip

    def task(self, net: nn.Module, recipe: Recipe | None = None) -> "Classification":
        """Returns what a network is to do; with a recipe as it is trained."""
        return timed_task(self.source, recipe, None if recipe is None else self.train.labels)

    def score(self, net: nn.Module, clips: Clips, device: str) -> report.Outcome:
        """Scores a network on clips."""
        task = self.task(net)
        found = training.evaluate(net, self.loader(clips), task, device=device)
        classes = task.by_class(found.outputs, found.batches)
        return report.Outcome(
            n=found.n,
            scores=found.scores,
            recall=tuple(float("nan") if r is None else r for r in classes.recall),
            confusion=classes.confusion,
        )

    def record(self, network: NetworkRecord, *, data: str, reading: Reading) -> RunRecord:
        """Returns the record of a network that was trained on these clips."""
        return timed_record(network, self.source, self.preprocessing, data=data, reading=reading)

    def warnings(self) -> tuple[str, ...]:
        """Returns what may spoil a result."""
        return self.source.warnings

    def examples(self, counts: Sequence[int], device: torch.device) -> list[Tensor]:
        """Returns clips to measure costs with: of the training clips the one of median length, so often."""
        order = self.train.lengths.argsort(stable=True)
        clip = self.preprocessing.read(self.train, int(order[len(order) // 2])).to(device)
        return [clip.unsqueeze(0).repeat(count, *(1,) * clip.ndim) for count in counts]

    def measurable(self, net: nn.Module) -> nn.Module:
        """Returns the network as costs are measured."""
        return net


def open_clip_table(data: str, fingerprint: str | None, clips: int | None, reading: Reading) -> ClipTable:
    """Opens the clips or sounds of a comparison.

    Args:
        data: the source.
        fingerprint: of the source when the comparison was started; None at its start.
        clips: how many training clips are used, a stratified sample; None for all.
        reading: how the source is read.

    Raises:
        RunError: the clips have changed since the comparison was started.
    """
    source = open_timed(data, reading)
    if fingerprint not in (None, source.fingerprint):
        raise RunError(
            f"{data} contains other {source.kind}s than when the comparison was started, so its trials would not be "
            "comparable: restore them, or choose another --out."
        )
    train = source.splits["train"]
    if clips is not None and clips < len(train):
        train = train.subset(clips, seed=0)
    return ClipTable(source, train, clip_preprocessing_for(source))
