"""Networks with constructed weights, for which the right answer is known."""

import torch
from torch import nn

from regard.attention import create, find
from regard.core import ImageBatch, Tap

CLASSES = 4


class GateAlone(nn.Module):
    """Scores are the gate, and the gate says the image's class (its brightest channel): no other path exists."""

    def __init__(self, kind="gate"):
        super().__init__()
        self.tap = Tap(kind)

    def forward(self, images):
        classes = images.mean((2, 3)).argmax(1)
        return self.tap(nn.functional.one_hot(classes, CLASSES).to(images)[..., None, None]).flatten(1)


class Identity(nn.Module):
    """Says class 1 if the gate is that of this very image, else 0; the image's number is its brightness."""

    def __init__(self):
        super().__init__()
        self.tap = Tap("gate")

    def forward(self, images):
        number = images[:, 0, 0, 0]
        own = (self.tap(number[:, None, None, None])[:, 0, 0, 0] - number).abs() < 0.5
        return torch.stack([~own, own], 1).float()


class Scaled(nn.Module):
    """Class 0 is dark, class 1 bright; a constant gate of 0.1 and a normalisation that expects it."""

    def __init__(self):
        super().__init__()
        self.tap = Tap("gate")
        self.norm = nn.BatchNorm2d(1)
        self.norm.running_mean.fill_(0.5)
        self.norm.running_var.fill_(0.01)

    def forward(self, images):
        rescaled = images * self.tap(images.new_full((len(images), 1, 1, 1), 0.1))
        bright = self.norm(rescaled).mean((1, 2, 3))
        return torch.stack([-bright, bright], 1)


class Twice(nn.Module):
    """Uses one tap twice in a pass, with another constant map each time."""

    def __init__(self):
        super().__init__()
        self.tap = Tap("gate")

    def forward(self, images):
        first = images * self.tap(images.new_full((len(images), 1, 1, 1), 0.2))
        return (first * self.tap(images.new_full((len(images), 1, 1, 1), 0.9))).mean((2, 3))


class Shared(nn.Module):
    """A classifier that calls its one attention module twice in a pass."""

    def __init__(self, mechanism, *, channels=CLASSES, classes=CLASSES):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(channels, 8, 3, padding=1)
            self.attention = create(mechanism, channels=8)
            self.score = nn.Linear(8, classes)
        self.eval()

    def forward(self, images):
        features = torch.relu(self.attention(self.conv(images)))
        return self.score(self.attention(features).mean((2, 3)))


def classifier(mechanism, *, channels=8, seed=0):
    """A small convolutional classifier with the mechanism inside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(CLASSES, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            create(mechanism, channels=channels),
            nn.Identity() if find(mechanism).facts.at == "head" else nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, CLASSES),
        )
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                nn.init.uniform_(module.weight, 0.5, 2.0)
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


@torch.no_grad()
def fit_classifier(mechanism, batches):
    """A classifier whose last layer is fitted to the batches by least squares, so that it is better than chance."""
    net = classifier(mechanism)
    images, labels = (torch.cat([getattr(b, name) for b in batches]) for name in ("images", "labels"))
    features = nn.functional.pad(net[:-1](images), (0, 1), value=1.0)
    weights = torch.linalg.lstsq(features, nn.functional.one_hot(labels, CLASSES).float()).solution
    net[-1].weight.copy_(weights[:-1].T)
    net[-1].bias.copy_(weights[-1])
    return net


def invent(n, size=(6, 5), *, batch=8, seed=0, channels=CLASSES, signal=3.0):
    """Batches of noise in which the channel of the image's class is brighter by the signal; classes in turn."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    images = torch.randn(n, channels, *size, generator=random)
    images += signal * nn.functional.one_hot(labels, channels)[..., None, None]
    return split(images, labels, batch)


def split(images, labels, batch):
    """Batches of at most `batch` images."""
    rows = torch.arange(len(images)).split(batch)
    return [ImageBatch(images[row], labels[row], row) for row in rows]
