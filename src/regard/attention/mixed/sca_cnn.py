"""The channel-wise and spatial attention of SCA-CNN."""

import math
from typing import ClassVar, Literal

from torch import Tensor, nn, softmax, tanh

from regard.core.facts import Facts, Paper
from regard.core.mechanism import Mechanism, Start
from regard.core.options import at_least, one_of
from regard.core.precision import widen
from regard.core.tap import Tap
from regard.kernels import apply_gate, squeeze_positions

Order = Literal["channel-spatial", "spatial-channel"]


class SCACNN(Mechanism):
    """Shares one budget of attention among the channels, then one among the positions.

    b = softmax over channels of u tanh(w mean(x) + v), the mean of each channel taken alone
    a = softmax over positions of u' tanh(W (c b x) + v'), n positions
    y = x * (c b) * (n a), so that uniform maps change nothing

    Chen, Zhang, Xiao, Nie, Shao, Liu, Chua: SCA-CNN: Spatial and Channel-wise Attention in Convolutional Networks for
    Image Captioning, CVPR 2017, section 3. There both scores also see the state of the decoder that writes the
    caption; this is the form without it. The factors c and n are the authors' code's.

    Args:
        channels: c.
        hidden: units of the layer inside each score.
        order: `channel-spatial`, the paper's better one, or `spatial-channel`.
        start: see `Mechanism`; one `strength` tempers both maps.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> import torch
        >>> SCACNN(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SCACNN(64).parameters())
        35330
    """

    facts: ClassVar[Facts] = Facts(
        name="sca_cnn",
        family="mixed",
        paper=Paper(
            title="SCA-CNN: Spatial and Channel-wise Attention in Convolutional Networks for Image Captioning",
            authors=(
                "Long Chen and Hanwang Zhang and Jun Xiao and Liqiang Nie and Jian Shao and Wei Liu and Tat-Seng Chua"
            ),
            year=2017,
            venue="CVPR",
            identifier="arXiv:1611.05594",
        ),
        authors_code="https://github.com/zjuchenlong/sca-cnn.cvpr17",
        departures=(
            "The scores see the features alone; the paper's also see the state of the decoder that writes a caption.",
            "Both softmax maps are multiplied by their length, as in the authors' code and not in the paper.",
            "The second spatial score adds its bias after the product; a bracket in the authors' code puts it inside.",
        ),
        map_range=(0.0, math.inf),
        parameters="hidden*(c + 5) + 2",
    )

    def __init__(
        self,
        channels: int,
        *,
        hidden: int = 512,
        order: Order = "channel-spatial",
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("sca_cnn", "hidden", hidden, 1)
        one_of("sca_cnn", "order", order, ("channel-spatial", "spatial-channel"))
        self.order = order
        self.channel_embed = nn.Linear(1, hidden)
        self.channel_score = nn.Linear(hidden, 1)
        self.spatial_embed = nn.Conv1d(channels, hidden, 1)
        self.spatial_score = nn.Conv1d(hidden, 1, 1)
        self.channel = Tap("gate", high=math.inf)
        self.spatial = Tap("spatial", high=math.inf)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: weights of deviation 0.01 and zero biases, so that both maps start near uniform."""
        for layer in (self.channel_embed, self.channel_score, self.spatial_embed, self.spatial_score):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """x with every channel and every position weighed."""
        self.expect(x)
        maps = (self._channel_map, self._spatial_map)
        for map in maps if self.order == "channel-spatial" else reversed(maps):
            x = apply_gate(x, map(x))
        return x

    def _channel_map(self, x: Tensor) -> Tensor:
        (mean,) = squeeze_positions(x, "mean")
        embedded = tanh(self.channel_embed(mean.to(self.channel_embed.weight.dtype).unsqueeze(2)))
        shares = softmax(widen(self.channel_score(embedded).squeeze(2)), 1)
        gate = self.temper(self.channels * shares)
        return self.channel(gate.reshape(*gate.shape, *(1,) * (x.ndim - 2)))

    def _spatial_map(self, x: Tensor) -> Tensor:
        embedded = tanh(self.spatial_embed(x.flatten(2).to(self.spatial_embed.weight.dtype)))
        shares = softmax(widen(self.spatial_score(embedded)), 2)
        gate = self.temper(shares.shape[2] * shares)
        return self.spatial(gate.reshape(x.shape[0], 1, *x.shape[2:]))
