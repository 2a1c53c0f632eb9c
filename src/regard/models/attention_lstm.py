"""A recurrent network that looks at one part of each frame of a clip."""

import torch
from torch import Tensor, nn, tanh

from regard.attention.layers import softmax
from regard.core.options import at_least
from regard.core.precision import widen
from regard.core.tap import Tap


class AttentionLSTM(nn.Module):
    """Reads the frames of a clip one after the other, and looks at each through weights of its positions.

    x_t = sum over positions of a_i f_ti, a = softmax over positions of w tanh(W h_(t-1) + U f_ti)
    h_t, c_t = LSTM(x_t, h_(t-1), c_(t-1)); h_0, c_0 = tanh of linear layers of the mean over frames and positions

    Sharma, Kiros, Salakhutdinov: Action Recognition using Visual Attention, ICLR 2016 workshop, sections 3.2 and 3.3.
    The map is (b, 1, h, w), one for each step. Where there is no frame the state stays as it is.

    It differs from the paper: the weights follow from the state and from the features, as in Xu et al.: Show, Attend
    and Tell, ICML 2015, so that feature maps may have any size, where the paper has a row of weights for each of 7 x 7
    positions; one hidden layer of the first state is left out; and its penalty, by which all positions are looked at,
    is left to the loss.

    Args:
        channels: of the features.
        hidden: units of the state.
        looks: whether it chooses among positions; without, x_t is their mean.

    Shape:
        x (b, c, t, h, w), or (b, c, t) without `looks`; mask (b, t) of bool; y (b, hidden, t), zero where there is no
        frame.

    Example:
        >>> AttentionLSTM(8, 16)(torch.randn(2, 8, 5, 7, 7), None).shape
        torch.Size([2, 16, 5])
    """

    def __init__(self, channels: int, hidden: int, *, looks: bool = True) -> None:
        super().__init__()
        self.hidden = at_least("attention_lstm", "hidden", hidden, 1)
        self.begin = nn.Linear(channels, 2 * hidden)
        self.cell = nn.LSTMCell(channels, hidden)
        self.query = nn.Linear(hidden, hidden, bias=False) if looks else None
        self.key = nn.Linear(channels, hidden) if looks else None
        self.score = nn.Linear(hidden, 1, bias=False) if looks else None
        self.spatial = Tap("spatial", shares="position") if looks else None

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The state after each frame."""
        there = x.new_ones(x.shape[0], x.shape[2], dtype=torch.bool) if mask is None else mask
        frames = x.flatten(3).permute(2, 0, 3, 1) if x.ndim == 5 else x.permute(2, 0, 1).unsqueeze(2)
        keys = None if self.key is None else self.key(frames)
        count = there.sum(1, keepdim=True).clamp_min(1)
        state = tanh(self.begin(frames.mean(2).sum(0) / count.to(x.dtype)))
        hidden, cell = state.chunk(2, 1)
        found: list[Tensor] = []
        for step, frame in enumerate(frames):
            seen = frame.mean(1) if keys is None else self._look(hidden, keys[step], frame, tuple(x.shape[3:]))
            after, cell_after = self.cell(seen, (hidden, cell))
            keep = there[:, step : step + 1]
            hidden, cell = torch.where(keep, after, hidden), torch.where(keep, cell_after, cell)
            found.append(torch.where(keep, after, 0))
        return torch.stack(found, 2)

    def _look(self, hidden: Tensor, keys: Tensor, frame: Tensor, size: tuple[int, ...]) -> Tensor:
        """(b, c) what it sees of a frame (b, positions, c)."""
        assert self.query is not None
        assert self.score is not None
        assert self.spatial is not None
        logits = self.score(tanh(self.query(hidden).unsqueeze(1) + keys)).squeeze(2)
        attn = self.spatial(softmax(widen(logits), 1).unflatten(1, (1, *size))).flatten(2)
        return (attn.to(frame.dtype) @ frame).squeeze(1)
