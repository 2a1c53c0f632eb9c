"""Description of a network: its name, its size and its attention modules."""

from dataclasses import dataclass

from torch import nn

from regard.core.features import Features


@dataclass(frozen=True)
class Site:
    """An attention mechanism in a network.

    Attributes:
        path: path of the module, for example `layer1.0.attention`.
        mechanism: name of the mechanism.
        channels: number of input channels.
        parameters: number of parameters.
    """

    path: str
    mechanism: str
    channels: int
    parameters: int


@dataclass(frozen=True)
class Description:
    """A network's name, its number of parameters and its mechanisms; prints as a table.

    Attributes:
        name: its name for `create`, or its class.
        parameters: number of parameters, shared ones counted once.
        sites: its mechanisms in the order of the network; parts of a mechanism are not separate sites.
    """

    name: str
    parameters: int
    sites: tuple[Site, ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.parameters:,} parameters, {len(self.sites) or 'no'} attention modules"]
        wide = max((len(site.path) for site in self.sites), default=0)
        for site in self.sites:
            lines.append(
                f"  {site.path:<{wide}}  {site.mechanism}, {site.channels} channels, {site.parameters:,} parameters"
            )
        return "\n".join(lines)


def describe(net: nn.Module) -> Description:
    """Describes any network.

    Example:
        >>> from regard import models
        >>> print(describe(models.create("se_resnet8", num_classes=10)))
        se_resnet8: 78,833 parameters, 3 attention modules
          layer1.0.attention  se, 16 channels, 49 parameters
          layer2.0.attention  se, 32 channels, 162 parameters
          layer3.0.attention  se, 64 channels, 580 parameters
    """
    sites: list[Site] = []
    for path, module in net.named_modules():
        within = bool(sites) and f".{path}".startswith(f".{sites[-1].path}".rstrip(".") + ".")
        if isinstance(module, Features) and not within:
            sites.append(Site(path, module.facts.name, module.channels, _count(module)))
    name = getattr(net, "name", None)
    return Description(name if isinstance(name, str) else type(net).__name__, _count(net), tuple(sites))


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
