"""Loading of a state into a network, completely or not at all."""

from collections.abc import Mapping

from torch import Tensor, nn

from regard.core.errors import CheckpointError

SHOWN = 5


def load_state(net: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Copies `state` into `net` if it is exactly the state of such a network.

    Args:
        net: changed in place; on an error it is as before.
        state: tensors by name, as `net.state_dict()` gives them; their dtype may differ.

    Returns:
        `net` itself.

    Raises:
        CheckpointError: a tensor is missing, is not in the network, or has another shape; the message lists them.

    Example:
        >>> from regard import models
        >>> net = models.create("resnet8", seed=0)
        >>> other = load_state(models.create("resnet8", seed=1), net.state_dict())
        >>> bool((other.fc.weight == net.fc.weight).all())
        True
    """
    own = net.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    reshaped = [
        f"{name} {_shape(state[name])} instead of {_shape(own[name])}"
        for name in own
        if name in state and _shape(state[name]) != _shape(own[name])
    ]
    faults = [
        _fault("are missing", missing),
        _fault("are not in the network", unexpected),
        _fault("have another shape", reshaped),
    ]
    if any(faults):
        what = getattr(net, "name", type(net).__name__)
        raise CheckpointError(
            f"These weights are not those of this {what}: {'; '.join(fault for fault in faults if fault)}. Nothing was "
            "loaded. Create the network with the name and the options that the weights were saved with."
        )
    net.load_state_dict(dict(state))
    return net


def _shape(value: object) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}, no tensor,"


def _fault(what: str, names: list[str]) -> str:
    """Returns a clause of the error: the number of tensors and the first of them."""
    if not names:
        return ""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{rest})"
