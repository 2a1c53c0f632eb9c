"""A network that writes a text about an image, and looks at the image again for every symbol."""

import inspect

import torch
from torch import Tensor, nn

from regard.core.errors import OptionError, ShapeError, UnknownNameError, unknown_name
from regard.core.look_record import LookRecord
from regard.core.options import at_least, flag
from regard.core.seeding import key
from regard.core.spec import Spec
from regard.models.backbone import Backbone, create_backbone
from regard.models.initialisation import initialise
from regard.models.look_back import LookBack
from regard.models.recurrent import Decoder, Encoded
from regard.models.search import Found, search

NAME = "captioner"
"""The network's name, with options on the same line: `captioner:hidden=256,backbone=resnet20`."""


_FREQUENCIES = (0.5, 1.0, 2.0, 4.0)
"""Periods of the coordinates over an image."""


class Captioner(nn.Module):
    """Reads an image with a convolutional network and writes a text with an LSTM that looks at the positions.

    a_1 ... a_k = the features of the image, a vector for each position
    z_t = look(a, h_(t-1)), h_t = LSTM([y_(t-1); z_t], h_(t-1)), p(y_t) = softmax(V tanh(W [h_t; z_t; y_(t-1)]))

    Xu et al.: Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, ICML 2015, section 3. The
    first state follows from the mean of the positions. The look is soft (`additive`), hard (`hard_spatial`), or that of
    Chen et al.: SCA-CNN: Spatial and Channel-wise Attention in Convolutional Networks for Image Captioning, CVPR 2017
    (`sca_cnn`); without attention every step gets the mean of the positions.

    It differs from the paper: the readout has a tanh, and one linear layer makes the first state. The doubly stochastic
    term is part of the loss: see `coverage` of a `Recipe`.

    Args:
        backbone: makes the features; trained with the rest.
        symbols: size of the vocabulary that is written.
        attention: a mechanism that a state steers, NAME[:option=value,...]; None is the network without.
        embedding: numbers a symbol.
        hidden: units of the LSTM.
        gate: whether a scalar of the state rescales what is seen at each step, as in the paper.
        coordinates: whether each position also says where it is, by sines and cosines of its row and its column
            (Tancik et al.: Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains,
            NeurIPS 2020), so that the order of positions can be learnt, as in reading.
        dropout: of embedded symbols and of the readout.

    Raises:
        OptionError: an option out of its range, or a mechanism that no state steers.

    Example:
        >>> net = create_captioner("captioner:backbone=resnet8,hidden=16", symbols=14, in_channels=1, seed=0)
        >>> net(torch.randn(2, 1, 28, 60), torch.randint(4, 14, (2, 3))).shape
        torch.Size([2, 3, 14])
        >>> net.grid(28, 60)
        (7, 15)
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        symbols: int,
        attention: str | Spec | None = "additive",
        embedding: int = 64,
        hidden: int = 128,
        gate: bool = False,
        coordinates: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in {"symbols": symbols, "embedding": embedding, "hidden": hidden}.items():
            at_least(NAME, name, value, 1)
        if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
            raise OptionError(f"{NAME}: dropout={dropout!r} is not allowed; it must be a number from 0 to below 1.")
        if flag(NAME, "gate", gate) and attention is None:
            raise OptionError(f"{NAME}: gate=true is not allowed without attention: nothing is seen at a step.")
        self.name = NAME if attention is None else f"{NAME} with {attention}"
        self.in_channels = backbone.in_channels
        self.backbone = backbone
        self.coordinates = flag(NAME, "coordinates", coordinates)
        self.size = size = backbone.channels + (4 * len(_FREQUENCIES) if coordinates else 0)
        look = None if attention is None else LookBack(attention, query_size=hidden, key_size=size, gate=gate)
        self.decoder = Decoder(
            symbols, embedding=embedding, hidden=hidden, context=size, attention=look, cell="lstm", dropout=dropout
        )

    @property
    def look(self) -> LookBack | None:
        """The look of each step; None without attention."""
        found = self.decoder.attention
        return found if isinstance(found, LookBack) else None

    def encode(self, images: Tensor, mask: Tensor | None = None, *, record: LookRecord | None = None) -> Encoded:
        """Encodes images (b, c, h, w), or clips (b, c, t, h, w) with a mask (b, t), True where there is a frame."""
        features = self.backbone(images)
        if self.coordinates:
            where = _coordinates(features).expand(*features.shape[:-3], -1, -1, -1)
            features = torch.cat((features, where), -3)
        if images.ndim == 4:
            return self.encode_features(features.flatten(2).transpose(1, 2), mask, record=record)
        positions = features[0, 0, 0].numel()
        tokens = features.flatten(3).transpose(2, 3).flatten(1, 2)
        return self.encode_features(
            tokens, None if mask is None else mask.repeat_interleave(positions, 1), record=record
        )

    def encode_features(
        self, features: Tensor, mask: Tensor | None = None, *, record: LookRecord | None = None
    ) -> Encoded:
        """Encodes features (b, k, d) from anywhere, of positions or of frames, with a mask (b, k).

        Raises:
            ShapeError: features or a mask of another shape.
        """
        if features.ndim != 3 or features.shape[2] != self.size:
            raise ShapeError(
                f"{NAME}: the features have shape {tuple(features.shape)}; they must be (b, k, {self.size})."
            )
        if mask is not None and (mask.shape != features.shape[:2] or mask.dtype != torch.bool):
            raise ShapeError(
                f"{NAME}: the mask has shape {tuple(mask.shape)} and dtype {mask.dtype}; it must be bool "
                f"{tuple(features.shape[:2])}."
            )
        if mask is None:
            mean = features.mean(1)
        else:
            there = mask.unsqueeze(2)
            mean = torch.where(there, features, 0).sum(1) / there.sum(1).clamp_min(1)
        memory = None if self.look is None else self.look.remember(features, mask)
        return Encoded(memory, mean, record)

    def forward(
        self,
        images: Tensor,
        target: Tensor,
        forced: Tensor | None = None,
        mask: Tensor | None = None,
        record: LookRecord | None = None,
    ) -> Tensor:
        """Logits (b, t, symbols) of what follows each symbol of a text that is known.

        Args:
            images: see `encode`.
            target: (b, t) int64, `BEGIN` and the text, padded.
            forced: see `Decoder.forward`.
            mask: of the frames of clips.
            record: receives the looks, with chance where it has draws.
        """
        return self.decoder(target, self.encode(images, mask, record=record), forced)

    def answer(
        self,
        images: Tensor,
        mask: Tensor | None = None,
        *,
        beams: int = 1,
        longest: int = 100,
        length_penalty: float = 1.0,
    ) -> Found:
        """The texts that are found for images; see `models.search.search`."""
        encoded = self.encode(images, mask)
        return search(self.decoder, encoded, beams=beams, longest=longest, length_penalty=length_penalty)

    @torch.no_grad()
    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the positions of an image of this size."""
        device = next(self.parameters()).device
        modes = [(module, module.training) for module in self.backbone.modules()]
        self.backbone.eval()
        rows, columns = self.backbone(torch.zeros(1, self.in_channels, height, width, device=device)).shape[2:]
        for module, mode in modes:
            module.training = mode
        return int(rows), int(columns)


def _coordinates(features: Tensor) -> Tensor:
    """(16, h, w) sines and cosines of the row and the column of each position."""
    rows, columns = features.shape[-2:]
    axes = [(torch.arange(n, device=features.device, dtype=features.dtype) + 0.5) / n for n in (rows, columns)]
    y, x = torch.meshgrid(*axes, indexing="ij")
    angles = [2 * torch.pi * frequency * axis for axis in (y, x) for frequency in _FREQUENCIES]
    return torch.stack([function(angle) for angle in angles for function in (torch.sin, torch.cos)])


def create_captioner(
    name: str,
    *,
    symbols: int,
    in_channels: int = 3,
    attention: str | Spec | None = None,
    seed: int | None = None,
) -> Captioner:
    """A new network that writes a text about an image, with random weights.

    Args:
        name: `captioner`, with its options after a colon, see `Captioner`; `backbone` is a network by its name, in
            quotation marks where it has options, as in `captioner:backbone='cnn:width=24,stages=4'`.
        symbols: size of the vocabulary that is written.
        in_channels: channels of an image.
        attention: a mechanism with its options, or None.
        seed: see `initialise`; without a seed one is drawn from PyTorch's generator.

    Raises:
        UnknownNameError: no such network or mechanism.
        OptionError: an option that does not exist, or is out of its range.

    Example:
        >>> create_captioner("captioner:backbone=cnn,hidden=8", symbols=9, attention="sca_cnn:hidden=8", seed=0).name
        'captioner with sca_cnn:hidden=8'
    """
    spec, seed = Spec.parse(name), int(torch.randint(2**62, ()) if seed is None else seed)
    if spec.name != NAME:
        raise UnknownNameError(
            f"{unknown_name('network from images to text', spec.name, [NAME])} A network for images is named as its "
            f"backbone, as in {NAME}:backbone=resnet20."
        )
    options = dict(spec.options)
    allowed = [option for option in inspect.signature(Captioner).parameters if option not in ("symbols", "attention")]
    for option in options:
        if option not in allowed:
            raise OptionError(str(unknown_name(f"option of {NAME!r}", option, allowed)))
    backbone = create_backbone(
        str(options.pop("backbone", "resnet20")), in_channels=in_channels, seed=key(seed, "backbone")
    )
    net = Captioner(backbone, symbols=symbols, attention=attention, **options)  # type: ignore[arg-type]
    initialise(nn.ModuleDict({"decoder": net.decoder}), seed)
    return net
