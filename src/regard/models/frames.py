"""Frames of clips in networks: a network for images over each frame, and mechanisms over whole clips."""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from regard import attention as catalogue
from regard.core.errors import OptionError, ShapeError
from regard.core.features import Features
from regard.core.mechanism import Mechanism
from regard.core.spec import Spec
from regard.models.classifier import classifier_of
from regard.models.resnet import ResNet

MASK = "mask"

PROBE = 64
"""Height and width of an image that shows how many channels the features of a network have."""


class FrameEncoder(nn.Module):
    """Features of each frame of a clip, by a network for images.

    Only frames that are there run through the network, so that padding takes no time and no normalisation sees it.

    Args:
        net: a classifier of images with `num_classes` outputs; its last linear layer is removed.
        num_classes: its number of outputs.
        in_channels: channels of a frame.
        maps: whether features keep their positions; else they are the inputs of the removed layer.

    Raises:
        OptionError: a network without such a classifier, or without features of positions where `maps` asks for them.

    Example:
        >>> from regard import models
        >>> encoder = FrameEncoder(models.create("resnet8", num_classes=10), 10, 3, maps=True)
        >>> encoder(torch.randn(2, 3, 5, 28, 28), None).shape
        torch.Size([2, 64, 5, 7, 7])
    """

    def __init__(self, net: nn.Module, num_classes: int, in_channels: int, *, maps: bool) -> None:
        super().__init__()
        path = classifier_of(net, num_classes, "clipnet")
        channels = net.get_submodule(path).in_features
        assert isinstance(channels, int)
        net.set_submodule(path, nn.Identity())
        self.net, self.maps = net, maps
        self.channels = _map_channels(net, in_channels) if maps else channels

    def forward(self, clips: Tensor, mask: Tensor | None) -> Tensor:
        """(b, c, t) or, with `maps`, (b, c, t, h, w), zero where there is no frame.

        Args:
            clips: (b, channels, t, height, width).
            mask: (b, t), True where there is a frame; None where all are.
        """
        frames = clips.transpose(1, 2)
        there = frames.flatten(0, 1) if mask is None else frames[mask]
        if not len(there):
            raise ShapeError(f"clipnet: none of the {len(clips)} clips has a frame.")
        found = features_of(self.net)(there) if self.maps else self.net(there).flatten(1)
        if mask is None:
            found = found.unflatten(0, frames.shape[:2])
        else:
            found = found.new_zeros(*mask.shape, *found.shape[1:]).index_put((mask,), found)
        return found.transpose(1, 2)


def _map_channels(net: nn.Module, in_channels: int) -> int:
    """The channels of features with positions; they may differ from the inputs of the removed layer."""
    training = {module: module.training for module in net.modules()}
    with torch.no_grad():
        found = features_of(net.eval())(torch.zeros(1, in_channels, PROBE, PROBE))
    for module, mode in training.items():
        module.training = mode
    if not isinstance(found, Tensor) or found.ndim != 4:
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise OptionError(
            f"clipnet: the features of {getattr(net, 'name', type(net).__name__)} are {given}; attention to positions "
            "needs (n, c, h, w): use a convolutional network."
        )
    return found.shape[1]


def features_of(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The part of a network for images that computes features with positions, (n, c, h, w).

    It is `features` of ours and of many networks of torchvision, `forward_features` of timm's, and all before the
    pooling of torchvision's residual networks.

    Raises:
        OptionError: the network has none of these.
    """
    if isinstance(net, ResNet):
        return net.features
    for name in ("forward_features", "features"):
        found = getattr(net, name, None)
        if callable(found):
            return found
    children = dict(net.named_children())
    if "avgpool" in children:
        names = list(children)
        return nn.Sequential(*(children[name] for name in names[: names.index("avgpool")]))
    raise OptionError(
        f"clipnet: {getattr(net, 'name', type(net).__name__)} does not say which part of it computes features with "
        "positions: take one of regard's residual networks, or one of timm or torchvision with `features`."
    )


def takes_mask(mechanism: nn.Module) -> bool:
    """Returns True if a mechanism takes the mask of a clip besides its features."""
    return isinstance(mechanism, Mechanism) and any(given.name == MASK for given in mechanism.facts.inputs)


def attend(mechanism: nn.Module, x: Tensor, mask: Tensor | None) -> Tensor:
    """Applies a mechanism to features of clips (b, c, t, ...), of which padding is no part.

    A mechanism that takes no mask runs over clips of equal length together, without their padding. Frames that are not
    there are 0 in the result.

    Args:
        mechanism: features in, features of the same shape out.
        x: features, zero where there is no frame.
        mask: (b, t), True where there is a frame; None where all are.
    """
    if takes_mask(mechanism):
        return mechanism(x, mask)
    if mask is None or bool(mask.all()):
        return mechanism(x)
    frames, y = x.transpose(1, 2), x.new_zeros(x.shape[0], x.shape[2], x.shape[1], *x.shape[3:])
    counts = mask.sum(1)
    for count in counts.unique().tolist():
        if count:
            rows = mask & (counts == count).unsqueeze(1)
            clips = frames[rows].unflatten(0, (-1, count)).transpose(1, 2)
            y = y.index_put((rows,), mechanism(clips).transpose(1, 2).flatten(0, 1).to(y.dtype))
    return y.transpose(1, 2)


def clip_mechanism(owner: str, text: str | Spec, channels: int, *, dims: int) -> Features:
    """Creates a mechanism over features of clips (b, c, t, ...) that returns features of the same shape.

    Args:
        owner: the network, for errors.
        text: the mechanism.
        channels: c.
        dims: number of position axes, time included.

    Raises:
        OptionError: it returns another thing, replaces a convolution, or takes features with other axes.

    Example:
        >>> clip_mechanism("clipnet", "nonlocal", 16, dims=3)(torch.randn(1, 16, 4, 3, 3)).shape
        torch.Size([1, 16, 4, 3, 3])
    """
    spec = Spec.parse(text)
    mechanism = catalogue.find(spec.name)
    facts = mechanism.facts
    besides = [given.name for given in facts.inputs if not given.optional]
    if facts.returns != "features" or dims not in facts.dims or facts.at in ("conv", "kernel", "input") or besides:
        raise OptionError(
            f"{owner}: {str(spec)!r} cannot rescale the frames of a clip: it must return features of the shape of its "
            f"only input, with {dims} position axes, and replace no convolution, as frame_gate and nonlocal do."
        )
    given = {"dims": dims} if "dims" in inspect.signature(mechanism).parameters else {}
    made = catalogue.create(spec, channels=channels, **given)
    assert isinstance(made, Features)
    return made


def mean_frames(x: Tensor, mask: Tensor | None) -> Tensor:
    """(b, c) the mean of the frames (b, c, t) that are there; 0 of a clip without any.

    >>> mean_frames(torch.tensor([[[1.0, 3.0, 0.0]]]), torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    if mask is None:
        return x.mean(2)
    return torch.where(mask.unsqueeze(1), x, 0).sum(2) / mask.sum(1, keepdim=True).clamp_min(1).to(x.dtype)


def expect_clips(name: str, clips: Tensor, channels: int, mask: Tensor | None) -> None:
    """Raises a `ShapeError` unless clips are floating point (b, channels, t, h, w) and a mask is bool (b, t)."""
    if clips.ndim != 5 or clips.shape[1] != channels or not clips.is_floating_point() or not clips.numel():
        raise ShapeError(
            f"{name}: the clips have shape {tuple(clips.shape)} and dtype {clips.dtype}; the network takes "
            f"floating-point clips (b, {channels}, t, h, w) of at least one frame."
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape != (clips.shape[0], clips.shape[2])):
        raise ShapeError(
            f"{name}: mask has shape {tuple(mask.shape)} and dtype {mask.dtype}; for clips {tuple(clips.shape)} it "
            f"must be bool, ({clips.shape[0]}, {clips.shape[2]}), True where there is a frame."
        )
