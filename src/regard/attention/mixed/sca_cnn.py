"""The channel-wise and spatial attention of SCA-CNN."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn, tanh

from regard.attention.layers import Conv1d, Linear, Rescaling, softmax
from regard.core import Facts, Input, Paper, ShapeError, Start, Tap
from regard.core.options import at_least
from regard.kernels import apply_gate, squeeze_positions

Order = Literal["channel-spatial", "spatial-channel"]


def _state(size: int, channels: int, positions: tuple[int, ...], batch: int) -> Tensor:
    """A random state."""
    return torch.randn(batch, size)


class SCACNN(Rescaling):
    """Shares one budget of attention among the channels, then one among the positions.

    b = softmax over channels of u tanh(w mean(x) + v + U h), the mean of each channel taken alone
    a = softmax over positions of u' tanh(W (c b x) + v' + U' h), n positions
    y = x * (c b) * (n a), so that uniform maps change nothing

    Chen, Zhang, Xiao, Nie, Shao, Liu, Chua: SCA-CNN: Spatial and Channel-wise Attention in Convolutional Networks for
    Image Captioning, CVPR 2017, section 3. There h is the state of the decoder that writes the caption, so that at
    every word it looks elsewhere; `state_size` builds that form, and without it there is no U h. The factors c and n
    are the authors' code's.

    Args:
        channels: c.
        hidden: units of the layer inside each score.
        state_size: the size of h, or None for the form without.
        order: `channel-spatial`, the paper's better one, or `spatial-channel`.
        start: see `Features`; one `strength` tempers both maps.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same. A state is (b, state_size).

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes; a state of another shape, missing or not expected.

    Example:
        >>> SCACNN(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in SCACNN(64).parameters())
        35330
        >>> SCACNN(64, state_size=10)(torch.randn(2, 64, 7, 5), torch.randn(2, 10)).shape
        torch.Size([2, 64, 7, 5])
    """

    facts = Facts(
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
            "Without state_size the scores see the features alone; the paper's always see the state of the decoder.",
            "Both softmax maps are multiplied by their length, as in the authors' code and not in the paper.",
            "The second spatial score adds its bias after the product; a bracket in the authors' code puts it inside.",
        ),
        inputs=(Input(name="state", shape="(b, state_size)", optional=True),),
        parameters="hidden*(c + 5) + 2 + 2*hidden*(state_size or 0)",
    )

    def __init__(
        self,
        channels: int,
        *,
        hidden: int = 512,
        state_size: int | None = None,
        order: Order = "channel-spatial",
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        at_least("sca_cnn", "hidden", hidden, 1)
        self.order = order
        self.state_size = None if state_size is None else at_least("sca_cnn", "state_size", state_size, 1)
        if state_size is not None:
            self.amend(inputs=(Input(name="state", shape=f"(b, {state_size})", example=partial(_state, state_size)),))
        self.channel_embed = Linear(1, hidden)
        self.channel_state = None if state_size is None else Linear(state_size, hidden, bias=False)
        self.channel_score = Linear(hidden, 1)
        self.spatial_embed = Conv1d(channels, hidden, 1)
        self.spatial_state = None if state_size is None else Linear(state_size, hidden, bias=False)
        self.spatial_score = Conv1d(hidden, 1, 1)
        self.channel = Tap("gate", high=math.inf)
        self.spatial = Tap("spatial", high=math.inf)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: weights from N(0, 0.01^2) and zero biases, so that both maps start near uniform."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """x with every channel and every position rescaled, by x itself and, where there is one, by the state."""
        self.expect(x)
        self._expect_state(x, state)
        maps = (self._channel_map, self._spatial_map)
        for compute_gate in maps if self.order == "channel-spatial" else reversed(maps):
            x = apply_gate(x, compute_gate(x, state))
        return x

    def _channel_map(self, x: Tensor, state: Tensor | None) -> Tensor:
        (mean,) = squeeze_positions(x, "mean")
        embedded = self.channel_embed(mean.unsqueeze(2))
        if state is not None and self.channel_state is not None:
            embedded = embedded + self.channel_state(state.to(embedded.dtype)).unsqueeze(1)
        shares = softmax(self.channel_score(tanh(embedded)).squeeze(2), 1)
        return self.show(x, self.channel, self.channels * shares)

    def _spatial_map(self, x: Tensor, state: Tensor | None) -> Tensor:
        embedded = self.spatial_embed(x.flatten(2))
        if state is not None and self.spatial_state is not None:
            embedded = embedded + self.spatial_state(state.to(embedded.dtype)).unsqueeze(2)
        shares = softmax(self.spatial_score(tanh(embedded)), 2)
        return self.show(x, self.spatial, (shares.shape[2] * shares).reshape(x.shape[0], 1, *x.shape[2:]))

    def _expect_state(self, x: Tensor, state: Tensor | None) -> None:
        if state is None and self.state_size is not None:
            raise ShapeError(
                f"sca_cnn: there is no state, and the module was built for one: pass a tensor ({x.shape[0]}, "
                f"{self.state_size}), or build it with state_size=None."
            )
        if state is not None and self.state_size is None:
            raise ShapeError(
                f"sca_cnn: a state of shape {tuple(state.shape)} was given, and the module was built without: leave it "
                f"out, or build the module with state_size={state.shape[-1] if state.ndim else 1}."
            )
        if state is not None and (
            not state.is_floating_point() or state.ndim != 2 or state.shape != (x.shape[0], self.state_size)
        ):
            raise ShapeError(
                f"sca_cnn: the state has shape {tuple(state.shape)} and dtype {state.dtype}; it must be floating point "
                f"({x.shape[0]}, {self.state_size})."
            )
