"""A task of another kind: numbers are predicted, and the score of choice is an error, so lower is better."""

import torch
from torch import nn
from torch.utils.data import DataLoader

from regard.core import ImageBatch, Score, Scores
from regard.training import LossParts


class Distance:
    """Predicts the number in `labels` (b, 1); the loss is the absolute error and the squared one."""

    part_names = ("absolute", "squared")

    def loss(self, net, batch, draws):
        error = net(batch.images) - batch.labels
        parts = {"absolute": error.abs().mean(), "squared": error.square().mean()}
        return LossParts(sum(parts.values()), parts)

    def predict(self, net, batch):
        return net(batch.images).float().cpu()

    def right(self, outputs, batch):
        return None

    def score(self, outputs, batches):
        error = torch.cat(list(outputs)) - torch.cat([batch.labels for batch in batches])
        within = float((error.abs() < 1).float().mean())
        return Scores(
            all=(
                Score(name="mean_absolute_error", value=float(error.abs().mean()), better="lower", unit="px"),
                Score(name="within_one", value=within, unit="%"),
            ),
            choice="mean_absolute_error",
        )

    def to_json(self):
        return {"name": "distance", "options": {}, "classes": []}


def sums(n: int, seed: int) -> list[ImageBatch]:
    """Noise, and the sum of its pixels as what is to be predicted."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 1, 2, 2, generator=random)
    return [ImageBatch(images[row], images[row].sum((1, 2, 3))[:, None], row) for row in torch.arange(n).split(8)]


def linear() -> nn.Module:
    """A network that can learn it."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 1))


def whole(batches: list[ImageBatch]) -> DataLoader:
    """A loader of these batches."""
    return DataLoader(batches, batch_size=None)
