"""Networks of timm and of torchvision by name, with random weights."""

import difflib
from collections.abc import Iterable

import torch
from torch import nn

from regard.core.errors import DependencyError, OptionError, UnknownNameError
from regard.core.options import at_least
from regard.core.seeding import use_seed
from regard.models.own import build_own, is_module


def build(name: str, num_classes: int, in_channels: int, seed: int) -> nn.Module:
    """Creates the network `timm:NAME` or `torchvision:NAME`; nothing is downloaded.

    The library initialises the weights, with PyTorch's generator seeded by (seed, name).
    """
    library, _, model = name.partition(":")
    at_least(name, "num_classes", num_classes, 1)
    at_least(name, "in_channels", in_channels, 1)
    if library not in LIBRARIES and is_module(library):
        with use_seed(seed, name):
            return build_own(library, model, num_classes, in_channels)
    if library not in LIBRARIES:
        raise UnknownNameError(
            f"There is no library of networks named {library!r} (in {name!r}). There are: timm, torchvision; a "
            "function of your own is package.module:function, and no such module can be imported from here; "
            "regard's own networks have no prefix."
        )
    with use_seed(seed, name):
        return LIBRARIES[library](model, num_classes, in_channels)


def _timm(name: str, num_classes: int, in_channels: int) -> nn.Module:
    try:
        import timm
    except ImportError as missing:
        raise DependencyError(
            f"'timm:{name}' needs the package timm, which is not installed: pip install 'regard[timm]'."
        ) from missing
    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models())
    try:
        return timm.create_model(name, pretrained=False, num_classes=num_classes, in_chans=in_channels)
    except (RuntimeError, TypeError, AssertionError, ValueError) as cause:
        raise OptionError(
            f"timm:{name} cannot be made with num_classes={num_classes} and in_channels={in_channels}: {cause}. "
            "Use three channels or another network."
        ) from cause


def _torchvision(name: str, num_classes: int, in_channels: int) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, known)
    # These two train with a second classifier and then return a pair; without it they return logits like the others.
    single = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=None, num_classes=num_classes, **single)
    if in_channels != 3:
        _take_channels(net, f"torchvision:{name}", in_channels)
    return net


def _take_channels(net: nn.Module, name: str, in_channels: int) -> None:
    """Replaces the first convolution, which takes three channels, by one for `in_channels`."""
    path, module = next((path, module) for path, module in net.named_modules() if isinstance(module, nn.Conv2d))
    if module.in_channels != 3 or module.groups != 1:
        raise OptionError(
            f"{name}: in_channels={in_channels} is not allowed, because its first convolution, {path}, does not read "
            "the three channels of an image: use images of three channels."
        )
    new = nn.Conv2d(
        in_channels,
        module.out_channels,
        module.kernel_size,  # type: ignore[arg-type]
        stride=module.stride,  # type: ignore[arg-type]
        padding=module.padding,  # type: ignore[arg-type]
        dilation=module.dilation,  # type: ignore[arg-type]
        bias=module.bias is not None,
        padding_mode=module.padding_mode,
    )
    with torch.no_grad():
        # The standard deviation of the library's weights, scaled for sums over another number of channels.
        new.weight.normal_(0.0, module.weight.std().item() * (3 / in_channels) ** 0.5)
        if module.bias is not None and new.bias is not None:
            new.bias.copy_(module.bias)
    net.set_submodule(path, new)


def _unknown(library: str, name: str, known: Iterable[str]) -> UnknownNameError:
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=5, cutoff=0.5)
    hint = f" Did you mean {', '.join(f'{library}:{n}' for n in near)}?" if near else ""
    return UnknownNameError(
        f"There is no network named '{library}:{name}'.{hint} {library} has {len(names)} networks: see its "
        "list_models()."
    )


LIBRARIES = {"timm": _timm, "torchvision": _torchvision}
