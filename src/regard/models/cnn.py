"""A small plain convolutional network, a reference for networks that look through glimpses."""

from torch import Tensor, nn

from regard import attention
from regard.core.errors import OptionError, ShapeError
from regard.core.options import at_least
from regard.core.spec import Spec
from regard.models.inputs import expect_images


class CNN(nn.Module):
    """A plain convolutional network that may resample its input first.

    Each stage is a 3x3 convolution, a batch normalisation and a ReLU; the channels double from stage to stage, and a
    2x2 max pooling lies between two of them. The class follows by a linear layer from the mean over positions.

    Args:
        num_classes: number of outputs.
        in_channels: channels of an image.
        width: channels of the first stage.
        stages: number of convolutions.
        attention: a mechanism that resamples the input, such as `stn`, or None.

    Shape:
        x (b, in_channels, h, w) with h, w >= 1; y (b, num_classes), logits.

    Raises:
        OptionError: an option out of its range, or a mechanism that does not resample features.
        ShapeError: an x with another number of channels or axes; in training, a single image so small that the last
            stage has one position, which batch normalisation cannot normalise.

    Example:
        >>> import torch
        >>> CNN(num_classes=10, in_channels=1, attention="stn:hidden=4")(torch.randn(2, 1, 60, 40)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        width: int = 16,
        stages: int = 4,
        attention: str | Spec | None = None,
    ) -> None:
        super().__init__()
        self.name = "cnn"
        self.num_classes = at_least("cnn", "num_classes", num_classes, 1)
        self.in_channels = at_least("cnn", "in_channels", in_channels, 1)
        self.attention = nn.Identity() if attention is None else _resampler(Spec.parse(attention), in_channels)
        widths = [
            at_least("cnn", "width", width, 1) * 2**stage for stage in range(at_least("cnn", "stages", stages, 1))
        ]
        self.stages = nn.ModuleList(
            _stage(before, after) for before, after in zip((in_channels, *widths), widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits, (b, num_classes)."""
        return self.fc(self.features(x).mean((2, 3)))

    def features(self, x: Tensor) -> Tensor:
        """The features before the mean over positions, (b, c, h, w)."""
        self._expect(x)
        x = self.stages[0](self.attention(x))
        for stage in self.stages[1:]:
            x = stage(self.pool(x))
        return x

    def _expect(self, x: Tensor) -> None:
        expect_images("cnn", self.in_channels, x)
        reduction = 2 ** (len(self.stages) - 1)
        if self.training and x.shape[0] == 1 and max(x.shape[2:]) <= reduction:
            raise ShapeError(
                f"cnn: a single image of {x.shape[2]}x{x.shape[3]} leaves one position per channel in the last stage, "
                "whose variance batch normalisation cannot take: train with batches of two or more, or with images "
                f"larger than {reduction}."
            )


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def _resampler(mechanism: Spec, channels: int) -> nn.Module:
    facts = attention.find(mechanism.name).facts
    if facts.act != "resample" or facts.returns != "features":
        raise OptionError(
            f"cnn: attention={str(mechanism)!r} is not allowed, because {mechanism.name} does not resample features "
            "and this network has a site only at its input: take stn, or a residual network, for example resnet8."
        )
    return attention.create(mechanism, channels=channels)
