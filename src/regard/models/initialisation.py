"""Initial values that depend only on the seed and on the module's name."""

import torch
from torch import nn

from regard.core.errors import OptionError
from regard.core.mechanism import Mechanism
from regard.core.seeding import use_seed


@torch.no_grad()
def initialise(net: nn.Module, seed: int) -> nn.Module:
    """Initialises every parameter and running statistic of `net`.

    Each module's values are drawn from a generator of its own, seeded by (seed, the module's path). So two networks
    of one seed share, bit for bit, every parameter that has the same name and shape, whatever other modules they
    have: an additional gate changes no other value.

    The network's convolutions get He's normal initialisation (fan out), unless their class has an initialisation of
    its own; every other module what its own `reset_parameters` does, a mechanism after the modules inside it, and its
    `strength` 0.

    Args:
        net: a network on the CPU (the generator of another device differs) whose parameters all belong to
            modules with a `reset_parameters`; changed in place.
        seed: any integer.

    Returns:
        `net` itself.

    Raises:
        OptionError: the network is not on the CPU, or a module has parameters and no `reset_parameters`.

    Example:
        >>> from regard import models
        >>> plain, gated = models.create("resnet8", seed=0), models.create("se_resnet8", seed=0)
        >>> torch.equal(plain.layer3[0].conv2.weight, gated.layer3[0].conv2.weight)
        True
    """
    elsewhere = sorted({parameter.device.type for parameter in net.parameters()} - {"cpu"})
    if elsewhere:
        raise OptionError(
            f"initialise: the network is on {', '.join(elsewhere)}, where a seed has other numbers than on the CPU: "
            "initialise it first, then move it."
        )
    modules = list(net.named_modules())
    mechanisms = [f"{path}." for path, module in modules if isinstance(module, Mechanism)]
    for path, module in reversed(modules):
        in_mechanism = f"{path}.".startswith(tuple(mechanisms))
        with use_seed(int(seed), path):
            _reset(path, module, he=not in_mechanism)
    return net


def _reset(path: str, module: nn.Module, *, he: bool) -> None:
    own = [name for name, _ in module.named_parameters(recurse=False)]
    strength = getattr(module, "strength", None) if isinstance(module, Mechanism) else None
    if strength is not None:
        nn.init.zeros_(strength)
        own.remove("strength")
    own_start = getattr(type(module), "reset_parameters", None) is not nn.Conv2d.reset_parameters
    if he and isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and not own_start:
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif callable(reset := getattr(module, "reset_parameters", None)):
        reset()
    elif own:
        raise OptionError(
            f"{path or 'The network'} ({type(module).__name__}) has the parameters {', '.join(own)} and has no "
            "reset_parameters method, so it has no initial values by name: give it one, or create the network "
            "without this step."
        )
