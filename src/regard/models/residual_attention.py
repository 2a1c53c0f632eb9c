"""The parts of the residual attention network: blocks with normalisations first, and the attention module of blocks."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from regard.core.mechanism import Mechanism
from regard.models.blocks import Style, convolution

BACKBONE_BLOCKS = 2
"""Blocks between the features from which the mask is computed and those that it rescales: t in the paper."""


class Preactivated(nn.Module):
    """A bottleneck whose normalisations and ReLUs come before its 1x1, 3x3 and 1x1 convolutions, plus its shortcut.

    He, Zhang, Ren, Sun: Identity Mappings in Deep Residual Networks, ECCV 2016. A shortcut that changes the shape is a
    1x1 convolution of the features behind the first ReLU.

    Args:
        inputs: channels of x.
        width: channels of the 3x3 convolution.
        stride: of the 3x3 convolution and of the shortcut.
        style: its `outputs` counts.
    """

    def __init__(self, inputs: int, width: int, stride: int, style: Style) -> None:
        super().__init__()
        outputs = style.outputs(width)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = convolution(inputs, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, outputs, 1)
        same = stride == 1 and inputs == outputs
        self.downsample = None if same else convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Computes the sum of both paths, (b, c, h, w)."""
        z = functional.relu(self.bn1(x), inplace=True)
        y = functional.relu(self.bn2(self.conv1(z)), inplace=True)
        y = functional.relu(self.bn3(self.conv2(y)), inplace=True)
        return self.conv3(y) + (x if self.downsample is None else self.downsample(z))


class AttentionModule(nn.Module):
    """last((1 + mask(z)) * backbone(z)) with z = first(x): the attention module of the residual attention network.

    Wang et al.: Residual Attention Network for Image Classification, CVPR 2017, figure 2, with p = 1 and t = 2.

    Args:
        block: creates a block that keeps the shape.
        mask: the mechanism; it is called with z and with the features that it rescales, as `residual_mask` is.
    """

    def __init__(self, block: Callable[[], nn.Module], mask: Mechanism) -> None:
        super().__init__()
        self.first = block()
        self.backbone = nn.Sequential(*(block() for _ in range(BACKBONE_BLOCKS)))
        self.attention = mask
        self.last = block()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of x, (b, c, h, w)."""
        z = self.first(x)
        return self.last(self.attention(z, self.backbone(z)))
