"""The non-local block."""

import math
from typing import Literal

import torch
from torch import Tensor, nn, relu

from regard.attention.attending import attend
from regard.attention.heads import to_features, to_tokens
from regard.attention.layers import Linear, Norm, hidden_width
from regard.core import Facts, Features, Paper, Start, Tap
from regard.core.options import one_of
from regard.core.products import wide_product

Form = Literal["embedded", "gaussian", "dot", "concatenation"]
Scale = Literal["width", "channels", "none"]

_SHARES, _SUMS = ("embedded", "gaussian"), ("dot", "concatenation")


class NonLocal(Features):
    """Adds to every position a weighted sum over all positions.

    y_i = x_i + norm(W sum of f_ij g(x_j) over j), the positions j of x sub-sampled
    embedded: f = softmax over j of theta(x_i) . phi(x_j)      gaussian: f = softmax over j of x_i . x_j
    dot: f_ij = theta(x_i) . phi(x_j) / N                      concatenation: f_ij = relu(w . [theta(x_i), phi(x_j)]) / N
    theta, phi, g and W are linear layers at every position, N the number of positions j

    Wang, Girshick, Gupta, He: Non-local Neural Networks, CVPR 2018, equations 1 (sum), 2 to 5 (the forms) and 6 (the
    block), section 3.3 (sub-sampling). The normalisation's weight, or without it W, begins at 0. While its tap is unused,
    `dot` is computed without its map, as theta (phi' g / N), and the Gaussian forms by a fused kernel.

    Args:
        channels: c.
        form: of f.
        reduction: theta, phi and g have max(1, c // reduction) channels.
        hidden: their channels instead of that rule; None means the rule.
        subsample: 1 takes all positions for j; 2 the maximum of every two by two positions of x (of every two in
            sound, and not over the time of clips). What `torch.export` makes with 2 takes no axis under 3.
        scale: divides the products of the Gaussian forms by the square root of the vectors' `width`, or of the
            `channels`, or by 1 (`none`, the paper's equations).
        norm: whether batch normalisation follows W.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`; with `identity` nothing begins at 0.

    Shape:
        x (b, c, ...) with 1 to 3 position axes; y the same.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x with another number of channels or axes.

    Example:
        >>> NonLocal(64)(torch.randn(2, 64, 7, 5)).shape
        torch.Size([2, 64, 7, 5])
        >>> sum(p.numel() for p in NonLocal(1024).parameters())
        2101760
    """  # noqa: E501

    facts = Facts(
        name="nonlocal",
        family="spatial",
        act="aggregate",
        paper=Paper(
            title="Non-local Neural Networks",
            authors="Xiaolong Wang and Ross Girshick and Abhinav Gupta and Kaiming He",
            year=2018,
            venue="CVPR",
            identifier="arXiv:1711.07971",
        ),
        authors_code="https://github.com/facebookresearch/video-nonlocal-net",
        departures=(
            "The products of the Gaussian forms are divided by the square root of their width, as in the authors' code "
            "and not in the paper's equations.",
            "By default every position is compared with all, as in the paper's equations; the authors' networks take "
            "the maximum of every two by two (subsample=2).",
            "The input of phi and g is sub-sampled, as in the authors' code; a figure of the paper pools their output.",
            "A last row or column without a partner is kept; the authors' code drops it.",
            "Positions that tie for a maximum share its gradient; the authors' pooling gives it to one of them.",
            "The hidden width is never under 1, so that a narrow layer still sees its input.",
        ),
        at="stage",
        parameters=(
            "(1 if form == 'gaussian' else 3)*(c*h + h) + (form == 'concatenation')*2*h + h*c + c + norm*2*c"
            " where h = hidden or max(1, c // reduction)"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        form: Form = "embedded",
        reduction: int = 2,
        hidden: int | None = None,
        subsample: int = 1,
        scale: Scale = "width",
        norm: bool = True,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        one_of("nonlocal", "subsample", subsample, (1, 2))
        width = hidden_width("nonlocal", channels, reduction, hidden)
        self.form, self.subsample = form, subsample
        if subsample == 2:
            self.amend(exported_from=3)
        self.scale = {"width": channels if form == "gaussian" else width, "channels": channels, "none": 1}[
            scale
        ] ** -0.5
        if form != "gaussian":
            self.query = Linear(channels, width)
            self.key = Linear(channels, width)
        if form == "concatenation":
            self.score = Linear(2 * width, 1, bias=False)
        self.value = Linear(channels, width)
        self.project = Linear(width, channels)
        self.norm = Norm(channels, strict=strict) if norm else None
        low, high = -math.inf if form == "dot" else 0.0, 1.0 if form in _SHARES else math.inf
        self.map = Tap("query", shares="source" if form in _SHARES else (), neutral="source", low=low, high=high)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: weights of standard deviation 0.01, zero biases, and what comes last at 0 as published.

        Where a `strength` holds the sum back, what comes last begins at 1 (normalisation) or like the other layers.
        """
        for layer in (module for module in self.modules() if isinstance(module, nn.Linear)):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if self.norm is not None:
            nn.init.constant_(self.norm.weight, 0.0 if self.strength is None else 1.0)
        elif self.strength is None:
            nn.init.zeros_(self.project.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x with a weighted sum over all positions added to every position."""
        self.expect(x)
        seen = x if self.subsample == 1 else _halve(x)
        dtype = self.value.weight.dtype
        queries, keys = to_tokens(x).to(dtype), to_tokens(seen).to(dtype)
        values = self.value(keys)
        if self.form == "gaussian":
            queries, keys = _pack(queries), _pack(keys)
        else:
            queries, keys = self.query(queries), self.key(keys)
        gathered = self._gather(queries, keys, values, (*x.shape[2:], *seen.shape[2:]))
        h = to_features(self._project(gathered), x)
        return self.add(x, h if self.norm is None else self.norm(h))

    def _project(self, gathered: Tensor) -> Tensor:
        """W of the gathered values; without shares the sums grow with the cube of x."""
        if self.form in _SHARES:
            return self.project(gathered)
        bias = self.project.bias
        return (wide_product(gathered, self.project.weight.t()) + bias).to(bias.dtype)

    def _gather(self, queries: Tensor, keys: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(b, positions, hidden): for every position the weighted sum of the values."""
        if self.form in _SHARES:
            heads = (tokens.unsqueeze(1) for tokens in (queries, keys, values))
            return attend(self.map, *heads, shape=shape, scale=self.scale).squeeze(1)
        count = keys.shape[1]
        if self.form == "dot" and not self.map.watched:
            return wide_product(queries, wide_product(keys.transpose(1, 2), values) / count)
        if self.form == "dot":
            weights = wide_product(queries, keys.transpose(1, 2)) / count
        else:
            of_query, of_key = self.score.weight.unflatten(1, (2, -1)).unsqueeze(-1).unbind(1)
            weights = relu(wide_product(queries, of_query[0]) + wide_product(keys, of_key[0]).transpose(1, 2)) / count
        attn = self.map(weights.reshape(weights.shape[0], 1, *shape))
        return wide_product(attn.reshape(weights.shape), values)


def _pack(tokens: Tensor) -> Tensor:
    """Copy each vector together in memory for fused kernels; `contiguous` leaves a single one alone."""
    return tokens.clone(memory_format=torch.contiguous_format)


def _halve(x: Tensor) -> Tensor:
    """The maximum of every two positions along the last axis, and along the last but one where there are two.

    Each value lies in one window, so that its gradient is the same in every run.
    """
    for axis in range(max(2, x.ndim - 2), x.ndim):
        last = x.narrow(axis, -1, 1)
        along = (slice(None),) * axis
        partners = torch.cat([x, last], axis)[(*along, slice(1, None, 2))]
        x = torch.maximum(x[(*along, slice(None, None, 2))], partners)
    return x
