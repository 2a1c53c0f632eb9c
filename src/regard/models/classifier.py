"""The last layer of a classifier of images, which computes its logits."""

from torch import nn

from regard.core.errors import OptionError


def classifier_of(net: nn.Module, num_classes: int, owner: str) -> str:
    """Returns the path of the last linear layer, which computes the logits.

    Raises:
        OptionError: the network has no linear layer with `num_classes` outputs at its end, so that `owner` cannot use
            its features.
    """
    layers = [(path, layer) for path, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    if not layers or not layers[-1][0] or layers[-1][1].out_features != num_classes:
        found = f"its last one, {layers[-1][0]!r}, has {layers[-1][1].out_features}" if layers else "it has none"
        applied = {"bag": "to patches", "clipnet": "to frames"}[owner]
        raise OptionError(
            f"{owner}: {getattr(net, 'name', type(net).__name__)} cannot be applied {applied}: its classifier must be "
            f"a linear layer with {num_classes} outputs, but {found}: use another network."
        )
    return layers[-1][0]
