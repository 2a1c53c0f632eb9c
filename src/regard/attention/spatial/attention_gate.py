"""The attention gate of Attention U-Net."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.conv import _ConvNd

from regard.attention.layers import Norm, Rescaling, convolution, sigmoid
from regard.attention.resampling import interpolate
from regard.core import Facts, Input, Paper, ShapeError, Start, Tap, widen
from regard.core.options import at_least


def _coarse(channels: int, size: tuple[int, ...], batch: int) -> Tensor:
    """A random signal of as many channels and half the size, rounded up."""
    return torch.randn(batch, channels, *((n + 1) // 2 for n in size))


class AttentionGate(Rescaling):
    """Rescales each position of fine features by their agreement with a coarse signal there.

    y = x * up(sigmoid(psi relu(Wx x + up(Wg g + b)) + b')), Wx a convolution of kernel and stride s without bias,
    Wg and psi 1x1 convolutions, g the signal, up the linear interpolation to the size of x.

    Oktay et al.: Attention U-Net: Learning Where to Look for the Pancreas, MIDL 2018: x comes from
    the encoder, g from the decoder. In the authors' code a 1x1 convolution with a
    normalisation follows (`output`). A widely used other form (`norm` with `subsample=1`) normalises each of the
    three convolutions and has a bias in all of them.

    Args:
        channels: c, of x.
        signal_channels: of the signal; None means c.
        hidden: channels in which x and the signal are added; None means max(1, c // 2).
        subsample: s.
        norm: whether a batch normalisation follows each of the three convolutions.
        output: whether a 1x1 convolution and a normalisation follow the product; it then does more than rescale x.
        dims: position axes of x.
        strict: raise where batch normalisation would see one value, see `Norm`.
        start: see `Features`.

    Shape:
        x (b, c, ...) and the signal (b, signal_channels, ...) of any size, both with `dims` position axes; y as x.

    Raises:
        OptionError: an option out of its range.
        ShapeError: an x or a signal with another number of channels or axes, or no signal where it needs one.

    Example:
        >>> AttentionGate(64, signal_channels=128)(torch.randn(2, 64, 8, 6), torch.randn(2, 128, 4, 3)).shape
        torch.Size([2, 64, 8, 6])
    """

    facts = Facts(
        name="attention_gate",
        family="spatial",
        paper=Paper(
            title="Attention U-Net: Learning Where to Look for the Pancreas",
            authors=(
                "Ozan Oktay and Jo Schlemper and Loic Le Folgoc and Matthew Lee and Mattias Heinrich and "
                "Kazunari Misawa and Kensaku Mori and Steven McDonagh and Nils Y Hammerla and Bernhard Kainz and "
                "Ben Glocker and Daniel Rueckert"
            ),
            year=2018,
            venue="MIDL",
            identifier="arXiv:1804.03999",
        ),
        authors_code="https://github.com/ozan-oktay/Attention-Gated-Networks",
        departures=(
            "The default ends with the product, as the paper's equations; the authors' code adds a 1x1 convolution and "
            "a normalisation, which output=True has.",
            "Without a signal x is its own: so it can stand where there is no second tensor.",
            "A size that the stride does not divide is filled up with zeros; the authors' code leaves the rest out.",
        ),
        at="stage",
        inputs=(Input(name="signal", shape="(b, signal_channels, ...)", optional=True, example=_coarse),),
        parameters=(
            "c*h*subsample**dims + g*h + h + h + 1 + norm*(h + 4*h + 2) + output*(c*c + 3*c)"
            " where h = max(1, c // 2) if hidden is None else hidden; g = signal_channels or c"
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        signal_channels: int | None = None,
        hidden: int | None = None,
        subsample: int = 2,
        norm: bool = False,
        output: bool = False,
        dims: int = 2,
        strict: bool = False,
        start: Start = "paper",
    ) -> None:
        super().__init__(channels, start=start)
        given = channels if signal_channels is None else signal_channels
        self.signal_channels = at_least("attention_gate", "signal_channels", given, 1)
        width = max(1, channels // 2) if hidden is None else at_least("attention_gate", "hidden", hidden, 1)
        self.subsample, self.dims = at_least("attention_gate", "subsample", subsample, 1), dims
        conv = convolution("attention_gate", dims)

        def normalisation(features: int) -> nn.Module:
            return Norm(features, strict=strict) if norm else nn.Identity()

        self.embed = conv(channels, width, subsample, stride=subsample, bias=norm)
        self.norm = normalisation(width)
        self.embed_signal = conv(self.signal_channels, width, 1)
        self.norm_signal = normalisation(width)
        self.score = conv(width, 1, 1)
        self.norm_score = normalisation(1)
        self.gate = Tap("spatial")
        self.output = None
        if output:
            self.output = nn.Sequential(conv(channels, channels, 1), Norm(channels, strict=strict))
            self.amend(bare=False)
        if subsample > 1:
            self.amend(exported_from=3)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The authors' start: He's initialisation (fan in), normalisations near 1, the biases as PyTorch's."""
        for layer in self.modules():
            if isinstance(layer, _ConvNd):
                layer.reset_parameters()
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, Norm):
                layer.reset_parameters()
                nn.init.normal_(layer.weight, 1.0, 0.02)

    def forward(self, x: Tensor, signal: Tensor | None = None) -> Tensor:
        """x with every position rescaled."""
        self.expect(x, (self.dims,))
        signal = self._expect_signal(x, signal)
        fine = self.norm(self.embed(pad(x, (0, self.subsample - 1) * self.dims)))
        coarse = self.norm_signal(self.embed_signal(signal))
        both = torch.relu(widen(fine) + interpolate(widen(coarse), tuple(fine.shape[2:])))
        agreement = sigmoid(self.norm_score(self.score(both)))
        y = self.rescale(x, self.gate, interpolate(agreement, tuple(x.shape[2:])))
        return y if self.output is None else self.blend(x, self.output(y))

    def _expect_signal(self, x: Tensor, signal: Tensor | None) -> Tensor:
        if signal is None and self.signal_channels != self.channels:
            raise ShapeError(
                f"attention_gate: there is no signal, and x has {self.channels} channels where a signal has "
                f"{self.signal_channels}: pass one, or build the module with signal_channels=None."
            )
        signal = x if signal is None else signal
        right = signal.is_floating_point() and signal.ndim == x.ndim and 0 not in signal.shape[2:]
        if not right or signal.shape[:2] != (x.shape[0], self.signal_channels):
            raise ShapeError(
                f"attention_gate: the signal has shape {tuple(signal.shape)} and dtype {signal.dtype}; for x of shape "
                f"{tuple(x.shape)} it must be floating point ({x.shape[0]}, {self.signal_channels}, ...) with "
                f"{self.dims} position axes of at least 1."
            )
        return signal
