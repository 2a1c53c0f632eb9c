"""The mechanisms that `regard bench` measures, and the same functions in other libraries with equal weights."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from regard.attention import CATALOGUE, create, find
from regard.attention.exchange import convert_weights, export_weights
from regard.core import Features, Mechanism, OptionError, Spec

USUAL = ("se", "eca", "cbam", "sk", "gc", "coord", "bam", "scse")
"""The mechanisms that are measured by default: those with a twin."""


@dataclass(frozen=True)
class Twin:
    """The class of another library that computes the same as a mechanism.

    Attributes:
        library: as the layouts name it, which is also the name to import and to install.
        path: module and class.
        options: of its constructor.
        width: the option of its constructor that sets the width of the hidden layer, if it needs one.
        ours: the options that make our mechanism the same function.
    """

    library: str
    path: str
    options: Mapping[str, object] = field(default_factory=dict)
    width: str | None = None
    ours: Mapping[str, object] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        """True if the library can be imported."""
        return find_spec(self.library) is not None

    def build(self, ours: Mechanism, channels: int) -> nn.Module:
        """Builds the twin with our weights."""
        module, _, name = self.path.rpartition(".")
        options: dict[str, Any] = dict(self.options)
        if self.width is not None:
            options[self.width] = _hidden(ours)
        if ours.facts.name == "sk":
            options["groups"] = ours.branches[0][0].groups  # type: ignore[union-attr, index]
        theirs: nn.Module = getattr(import_module(module), name)(channels, **options)
        theirs.load_state_dict(export_weights(ours, self.library))
        return theirs


TWINS: Mapping[str, Twin] = {
    "se": Twin("timm", "timm.layers.SEModule", width="rd_channels"),
    "eca": Twin("timm", "timm.layers.EcaModule"),
    "cbam": Twin("timm", "timm.layers.cbam.CbamModule", {"mlp_bias": True}, width="rd_channels"),
    "sk": Twin("timm", "timm.layers.SelectiveKernel", {"split_input": False}, width="rd_channels"),
    "gc": Twin(
        "timm",
        "timm.layers.GlobalContext",
        {"fuse_add": True, "fuse_scale": False},
        width="rd_channels",
        ours={"epsilon": 1e-6},
    ),
    "coord": Twin("timm", "timm.layers.coord_attn.CoordAttn", {"bias": True}, width="rd_channels"),
    "bam": Twin("pytorchcv", "pytorchcv.models.bamresnet.BamBlock"),
    "scse": Twin(
        "segmentation_models_pytorch", "segmentation_models_pytorch.base.modules.SCSEModule", {"reduction": 2}
    ),
}
"""The twin of each mechanism with its default options."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A mechanism and its twin, with equal weights.

    Attributes:
        ours: the mechanism.
        theirs: the twin; None where there is none, or its library is not installed.
        name: the twin's class, `none` where there is no twin, with the reason.
        inputs: number of inputs, each of the same shape.
        renamed: from tensors by their names to the same ones by ours, in our shapes.
    """

    ours: nn.Module
    theirs: nn.Module | None
    name: str
    inputs: int
    renamed: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def make_pair(mechanism: str, channels: int) -> Pair:
    """Builds a mechanism and its twin.

    Of `sk` only the choice between two branches is measured, the branches being given: its convolutions are the same
    everywhere.

    Args:
        mechanism: name of the mechanism, with options as in cbam:reduction=8; only one without options has a twin.
        channels: number of channels.

    Raises:
        OptionError: a mechanism that does not rescale features.
        UnknownNameError: no such mechanism.
    """
    spec = expect_measurable(mechanism)
    twin = TWINS.get(spec.name) if not spec.options else None
    ours = create(spec, channels=channels, **(twin.ours if twin else {}))
    _fill_zeros(ours)
    if twin is None or not twin.installed:
        known = "no twin with these options" if spec.options else "no other library is known to have the same"
        reason = known if twin is None else f"{twin.library} is not installed"
        return Pair(_on_branches(ours), None, f"none: {reason}", _inputs(ours), dict)
    try:
        theirs = twin.build(ours, channels)
    except (RuntimeError, ValueError, ZeroDivisionError):
        # Some divide few channels by their reduction and build a layer without units.
        reason = f"{twin.path} cannot be built like ours for {channels} channels"
        return Pair(_on_branches(ours), None, f"none: {reason}", _inputs(ours), dict)
    state = theirs.state_dict()

    def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return convert_weights(ours, {**state, **tensors}, twin.library)

    return Pair(_on_branches(ours), _on_branches(theirs), twin.path, _inputs(ours), rename)


def expect_measurable(mechanism: str) -> Spec:
    """Returns the spec of a mechanism that takes and returns features of one shape.

    Raises:
        OptionError: a mechanism of another kind.
        UnknownNameError: no such mechanism.
    """
    spec = Spec.parse(mechanism)
    kind = find(spec.name)
    measurable = [m.facts.name for m in CATALOGUE if _is_measurable(m)]
    if not _is_measurable(kind):
        raise OptionError(
            f"regard bench: {spec.name} cannot be measured here, as it does not return features of the shape that it "
            f"takes, from two position axes alone; choose from {', '.join(measurable)}."
        )
    return spec


def _is_measurable(kind: type[Any]) -> bool:
    facts = kind.facts
    return issubclass(kind, Features) and facts.returns == "features" and 2 in facts.dims and not facts.inputs


def _hidden(ours: Mechanism) -> int:
    """The width of the hidden layer, `reduce` wherever it is."""
    for path in ("reduce", "channel.reduce", "shift.reduce"):
        if path.partition(".")[0] in dict(ours.named_children()):
            return int(ours.get_submodule(path).weight.shape[0])  # type: ignore[index]
    raise AssertionError(f"{ours.facts.name} has no hidden layer")


def _fill_zeros(module: nn.Module) -> None:
    """Draws parameters that start at zero, which would hide an error behind them."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)


class _Given(nn.Module):
    """A branch that returns what it was given beforehand."""

    value: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """The given branch."""
        return self.value


class _OnBranches(nn.Module):
    """A module of branches, taking these instead of the features that they come from."""

    def __init__(self, module: nn.Module, branches: Sequence[_Given]) -> None:
        super().__init__()
        self.module = module
        self.branches = nn.ModuleList(branches)

    def forward(self, *values: Tensor) -> Tensor:
        """The mixture of the given branches."""
        for branch, value in zip(self.branches, values, strict=True):
            branch.value = value
        y: Tensor = self.module(values[0])
        return y


INSIDE = "module."
"""The beginning of the names of parameters in a module that takes given branches."""


def _inputs(ours: Mechanism) -> int:
    return len(ours.branches) if ours.facts.name == "sk" else 1  # type: ignore[arg-type]


def _on_branches(module: nn.Module) -> nn.Module:
    """The module itself, or, where it has branches, one that takes these; the module is not changed."""
    lists = (n for n in ("branches", "paths") if isinstance(getattr(module, n, None), nn.ModuleList))
    if (name := next(lists, None)) is None:
        return module
    copied = copy.deepcopy(module)
    given = [_Given() for _ in getattr(module, name)]
    setattr(copied, name, nn.ModuleList(given))
    return _OnBranches(copied, given)
