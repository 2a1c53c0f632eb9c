"""The feature maps of any network for images, without its head."""

import torch
from torch import Tensor, nn

from regard.core.errors import DependencyError, OptionError, ShapeError
from regard.core.seeding import use_seed
from regard.models.foreign import build
from regard.models.zoo import create, is_foreign

_PROBE = 64
"""The side of the image by which a network is asked for the channels of its features."""


class Backbone(nn.Module):
    """Features (b, c, h, w) of images, or of the frames of clips, by a network that has lost its head.

    Args:
        net: from images (b, in_channels, h, w) to features.
        in_channels: channels of an image.

    Attributes:
        channels: c.

    Raises:
        OptionError: the network does not return one feature map.
    """

    def __init__(self, net: nn.Module, in_channels: int) -> None:
        super().__init__()
        self.net = net
        self.in_channels = in_channels
        mode = net.training
        with torch.no_grad():
            found = self._run(net.eval(), torch.zeros(1, in_channels, _PROBE, _PROBE))
        net.train(mode)
        if not isinstance(found, Tensor) or found.ndim != 4:
            raise OptionError(
                f"backbone: {getattr(net, 'name', type(net).__name__)} returns no features (b, c, h, w): take a "
                "convolutional network, for example resnet20 or timm:resnet18."
            )
        self.channels = found.shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """Features of images (b, c, h, w), or (b, t, c', h', w') of clips (b, c, t, h, w), frame by frame."""
        if images.ndim not in (4, 5) or images.shape[1] != self.in_channels or not images.is_floating_point():
            raise ShapeError(
                f"backbone: the input has shape {tuple(images.shape)} and dtype {images.dtype}; it must be floating "
                f"point, images (b, {self.in_channels}, h, w) or clips (b, {self.in_channels}, t, h, w)."
            )
        if images.ndim == 4:
            return self._run(self.net, images)
        frames = images.transpose(1, 2)
        return self._run(self.net, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    @staticmethod
    def _run(net: nn.Module, images: Tensor) -> Tensor:
        found = net.features(images) if _is_own(net) else net(images)  # type: ignore[operator]
        if isinstance(found, dict):
            (found,) = found.values()
        return found[-1] if isinstance(found, list) else found


def create_backbone(name: str, *, in_channels: int, seed: int) -> Backbone:
    """The features of a network by its name, with random weights.

    Args:
        name: as for `create`: a network of regard's, with attention in its blocks where the name has it
            (`se_resnet20`), `timm:NAME`, `torchvision:NAME` or `package.module:function`.
        in_channels: channels of an image.
        seed: see `initialise`.

    Raises:
        UnknownNameError: no such network.
        OptionError: a network without a feature map.

    Example:
        >>> net = create_backbone("resnet8", in_channels=1, seed=0)
        >>> net.channels, net(torch.randn(2, 1, 28, 60)).shape
        (64, torch.Size([2, 64, 7, 15]))
    """
    if name.startswith("timm:"):
        with use_seed(seed, name):
            return Backbone(_timm_features(name.removeprefix("timm:"), in_channels), in_channels)
    if is_foreign(name):
        return Backbone(_cut(build(name, 2, in_channels, seed), name, in_channels), in_channels)
    net = create(name, num_classes=2, in_channels=in_channels, seed=seed)
    if not _is_own(net):
        raise OptionError(
            f"backbone: {name!r} has no feature map, because it looks at parts of an image itself: take a "
            "convolutional network, for example resnet20 or cnn."
        )
    del net.fc
    return Backbone(net, in_channels)


def _is_own(net: nn.Module) -> bool:
    """True for networks of regard's with a method of features; torchvision's have a module of that name."""
    return callable(getattr(type(net), "features", None))


def _timm_features(name: str, in_channels: int) -> nn.Module:
    try:
        import timm
    except ImportError as missing:
        raise DependencyError(
            f"'timm:{name}' needs the package timm, which is not installed: pip install 'regard[timm]'."
        ) from missing
    build(f"timm:{name}", 2, in_channels, 0)  # says what is wrong with a name
    try:
        return timm.create_model(name, pretrained=False, in_chans=in_channels, features_only=True, out_indices=(-1,))
    except Exception as error:  # timm raises almost anything for networks without stages
        raise OptionError(
            f"backbone: timm:{name} has no feature map that timm knows ({error}): take a convolutional network, for "
            "example timm:resnet18."
        ) from error


def _cut(net: nn.Module, name: str, in_channels: int) -> nn.Module:
    """The network up to the last module that returns a feature map, under the names that its parameters had."""
    from torchvision.models.feature_extraction import create_feature_extractor

    seen: list[str] = []

    def keep(path: str, module: nn.Module, result: object) -> None:
        pooled = isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d)
        if path and isinstance(result, Tensor) and result.ndim == 4 and result[0, 0].numel() > 1 and not pooled:
            seen.append(path)

    hooks = [
        module.register_forward_hook(lambda m, _, result, path=path: keep(path, m, result))
        for path, module in net.named_modules()
    ]
    mode = net.training
    try:
        with torch.no_grad():
            net.eval()(torch.zeros(1, in_channels, _PROBE, _PROBE))
        if not seen:
            raise OptionError(f"backbone: {name!r} has no module that returns features (b, c, h, w).")
        for hook in hooks:
            hook.remove()
        return create_feature_extractor(net.train(mode), {seen[-1]: "features"})
    except OptionError:
        raise
    except Exception as error:  # tracing and foreign networks raise almost anything
        raise OptionError(
            f"backbone: the features of {name!r} cannot be taken out ({type(error).__name__}: {error}): take another "
            "network, for example resnet20."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
