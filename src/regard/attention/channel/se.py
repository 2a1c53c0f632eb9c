"""Squeeze-and-excitation."""

from typing import ClassVar, Literal

from torch import Tensor, nn, sigmoid
from torch.nn.functional import hardsigmoid

from regard.attention.bottleneck import bottleneck, over_positions, scored
from regard.core.facts import Facts, Paper
from regard.core.features import Features, Start
from regard.core.layout import Layout, Stored
from regard.core.options import flag, one_of
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions

Gate = Literal["sigmoid", "hard_sigmoid"]


class SE(Features):
    """Weighs each channel by what all channels' means say about it.

    y = x * sigmoid(W2 relu(W1 mean(x) + b1) + b2), the mean taken over positions.

    Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, equations 2 (mean), 3 (gate) and 4 (product).
    The published networks have both biases (the text leaves them out) and put the gate after the last normalisation
    of the residual branch. The hidden width is c / reduction rounded down and not rounded to a multiple of 8.

    With `reduction=None` one layer takes the place of the two, which keeps what the narrow one would lose; with
    `gate="hard_sigmoid"` too it is the effective form of Lee, Park: CenterMask: Real-Time Anchor-Free Instance
    Segmentation, CVPR 2020, as their code has it, y = x * relu6(W mean(x) + b + 3) / 6; the text has a sigmoid.

    Args:
        channels: c.
        reduction: r; the hidden layer has max(1, c // r) units; None means no hidden layer.
        bias: whether the layers have a bias.
        gate: `sigmoid`, or `hard_sigmoid`, made of three straight lines.
        start: see `Features`.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SE(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SE(64, reduction=16).parameters())
        580
        >>> SE(64, reduction=None, gate="hard_sigmoid").score
        Linear(in_features=64, out_features=64, bias=True)
    """

    facts: ClassVar[Facts] = Facts(
        name="se",
        family="channel",
        paper=Paper(
            title="Squeeze-and-Excitation Networks",
            authors="Jie Hu and Li Shen and Gang Sun",
            year=2018,
            venue="CVPR",
            identifier="arXiv:1709.01507",
        ),
        authors_code="https://github.com/hujie-frank/SENet",
        departures=("The hidden width is never under 1, so that a narrow layer still sees its input.",),
        parameters=(
            "(2*c*h + bias*h if reduction else c*c) + bias*c where h = max(1, c // reduction) if reduction else 0"
        ),
    )
    layouts: ClassVar[tuple[Layout, ...]] = (
        Layout(
            library="timm",
            twin="timm.layers.EffectiveSEModule",
            names={"score": Stored(name="fc", axes=4)},
            options={"reduction": None, "bias": True},
            note="gate as their gate_layer, hard_sigmoid by default",
        ),
        Layout(
            library="timm",
            twin="timm.layers.SEModule",
            names={"reduce": Stored(name="fc1", axes=4), "expand": Stored(name="fc2", axes=4)},
            note="gate as their gate_layer; c // reduction as their rd_channels, which timm rounds to a multiple of 8",
        ),
        Layout(
            library="torchvision",
            twin="torchvision.ops.SqueezeExcitation",
            names={"reduce": Stored(name="fc1", axes=4), "expand": Stored(name="fc2", axes=4)},
        ),
        Layout(
            library="pytorchcv",
            twin="pytorchcv.models.common.att.SEBlock",
            names={"reduce": Stored(name="conv1", axes=4), "expand": Stored(name="conv2", axes=4)},
        ),
        Layout(
            library="official",
            twin="maskrcnn_benchmark.modeling.backbone.vovnet.eSEModule",
            names={"score": Stored(name="fc", axes=4)},
            options={"reduction": None, "gate": "hard_sigmoid", "bias": True},
            note="the weights of the first form are Caffe's",
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        reduction: int | None = 16,
        bias: bool = True,
        gate: Gate = "sigmoid",
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        one_of("se", "gate", gate, ("sigmoid", "hard_sigmoid"))
        self.squash = sigmoid if gate == "sigmoid" else hardsigmoid
        self.has_hidden = reduction is not None
        if reduction is None:
            self.score = nn.Linear(channels, channels, bias=flag("se", "bias", bias))
        else:
            self.reduce, self.expand = bottleneck("se", channels, reduction, bias)
        self.gate = Tap("gate")

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel weighed."""
        self.expect(x)
        (mean,) = squeeze_positions(x, "mean")
        logits = scored(mean, *((self.reduce, self.expand) if self.has_hidden else (self.score,)))
        gate = self.temper(self.squash(logits))
        return apply_gate(x, self.gate(over_positions(gate, x)))
