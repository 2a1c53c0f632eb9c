"""The layout of a mechanism's parameters in another library, and the conversion in both directions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.core.errors import CheckpointError

Way = Callable[[Tensor], Tensor]

Constant = Callable[[Mapping[str, object], Tensor], Tensor]
"""Our options and their tensor, of which the size counts -> what that tensor is where both compute the same."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The form of one of our tensors, or of those of one of our modules, in another library's state dict.

    Attributes:
        name: the tensor's or module's name there.
        axes: how many axes a weight has there: axes of size 1 are put behind ours, or taken away (a linear layer
            stored as a 1x1 convolution has 4). None where it has as many as ours.
        flipped: the axis along which the order is the opposite there.
        part: (i, n) where it is the i-th of n equal parts, along axis 0, of one tensor there.
        there: any other way from our tensor to theirs; a bijection, with `back`.
        back: the way from theirs to ours.
    """

    name: str
    axes: int | None = None
    flipped: int | None = None
    part: tuple[int, int] | None = None
    there: Way | None = None
    back: Way | None = None

    def give(self, ours: Tensor) -> Tensor:
        """Our tensor as it is stored there."""
        theirs = _with_axes(ours, self.axes) if ours.ndim > 1 else ours
        theirs = theirs if self.flipped is None or ours.ndim < 2 else theirs.flip(self.flipped)
        return theirs if self.there is None else self.there(theirs)

    def take(self, theirs: Tensor, like: Tensor) -> Tensor:
        """Their tensor as we store it, with as many axes as `like`."""
        if self.part is not None:
            theirs = theirs.chunk(self.part[1])[self.part[0]]
        ours = theirs if self.back is None else self.back(theirs)
        ours = ours if self.flipped is None or like.ndim < 2 else ours.flip(self.flipped)
        return _with_axes(ours, like.ndim) if like.ndim > 1 else ours


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The state dict of a mechanism's twin in another library.

    Attributes:
        library: `timm`, `torchvision`, `pytorchcv`, `official` (the authors' own code) or another one.
        twin: the class there, `module.Class`, with the options that make it the same function as ours; those that
            neither it nor `note` names have their defaults there.
        mechanism: the name of ours; empty where the layout is an attribute of its class.
        names: for each tensor or module of ours (`reduce`, `norm.weight`) its name there, or more about it.
        options: what a module of ours has to be built with for the two to be the same function.
        constants: tensors of theirs that are computed here, with their values: left out both ways, so that theirs
            loads ours with `strict=False`.
        note: further notes for people: every option that changes the function and no shape, and is not
            in `options`, is named here.

    Example:
        >>> layout = Layout(library="timm", twin="timm.layers.SEModule", names={"reduce": Stored(name="fc1", axes=4)})
        >>> layout.to_theirs({"reduce.weight": torch.ones(2, 8)})["fc1.weight"].shape
        torch.Size([2, 8, 1, 1])
    """

    library: str
    twin: str
    mechanism: str = ""
    names: Mapping[str, str | Stored] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    constants: Mapping[str, Constant] = field(default_factory=dict)
    note: str = ""

    def unlike(self, options: Mapping[str, object]) -> str:
        """The options in which a module differs from what this layout is for, as `name=value` of the layout."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items() if options.get(name) != value)

    def names_all(self, like: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
        """Returns whether their state dict has, under the names of this layout, a tensor for each of `like`, ours."""
        wanted = [name for name in like if not name.endswith("num_batches_tracked")]
        return all(any(name == key or name.startswith(f"{key}.") for key in self.names) for name in wanted) and all(
            self._find(name)[1] in theirs for name in wanted
        )

    def check(self, options: Mapping[str, object], theirs: Mapping[str, Tensor]) -> None:
        """Raises a `CheckpointError` where a constant of theirs shows that a module with those options is another."""
        for name, constant in self.constants.items():
            if name not in theirs:
                continue
            stored = theirs[name].double()
            wanted = constant(options, stored)
            if wanted.shape != stored.shape or not torch.allclose(wanted, stored, rtol=1e-3, atol=1e-4):
                raise CheckpointError(
                    f"{name!r} of the weights, of shape {tuple(stored.shape)}, differs from what the module "
                    f"computes: build the mechanism with the options of those weights ({self.note})."
                )

    def to_theirs(self, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our state dict as theirs.

        Raises:
            CheckpointError: a tensor that they do not have, such as the `strength` of an identity start.
        """
        theirs: dict[str, Tensor] = {}
        parts: dict[str, dict[int, Tensor]] = {}
        for name, tensor in ours.items():
            stored, there = self._find(name)
            if stored.part is None:
                theirs[there] = stored.give(tensor)
            else:
                parts.setdefault(there, {})[stored.part[0]] = stored.give(tensor)
        return theirs | {there: torch.cat([part for _, part in sorted(of.items())]) for there, of in parts.items()}

    def to_ours(self, theirs: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Their state dict as ours: every tensor of `like`, ours before, in its shape.

        Raises:
            CheckpointError: a tensor is missing, too many or of another shape; nothing is loaded partially.
        """
        ours: dict[str, Tensor] = {}
        used = set(self.constants)
        for name, before in like.items():
            stored, there = self._find(name)
            used.add(there)
            if there not in theirs:
                if name.endswith("num_batches_tracked"):
                    ours[name] = before
                    continue
                raise CheckpointError(
                    f"{self.twin} stores our {name!r} as {there!r}, and the weights have no such tensor. They have: "
                    f"{', '.join(sorted(theirs)) or 'none'}."
                )
            taken = stored.take(theirs[there], before)
            if taken.shape != before.shape:
                raise CheckpointError(
                    f"{there!r} has shape {tuple(theirs[there].shape)} and gives {tuple(taken.shape)} for our {name!r} "
                    f"of shape {tuple(before.shape)}: build the mechanism with the options of those weights."
                )
            ours[name] = taken.to(before).clone()
        left = sorted(name for name in set(theirs) - used if not name.endswith("num_batches_tracked"))
        if left:
            raise CheckpointError(
                f"The weights hold {', '.join(left)}, which this mechanism does not have: build it with the options "
                f"of those weights{f' ({self.note})' if self.note else ''}."
            )
        return ours

    def _find(self, name: str) -> tuple[Stored, str]:
        """The form in which our tensor of that name is stored, and its name there."""
        fits = [key for key in self.names if name == key or name.startswith(f"{key}.")]
        if not fits:
            raise CheckpointError(
                f"{self.twin} has no counterpart of our {name!r}"
                + (": it exists only with start='identity'." if name.rpartition(".")[2] == "strength" else ".")
            )
        key = max(fits, key=len)
        stored = self.names[key]
        stored = Stored(name=stored) if isinstance(stored, str) else stored
        return stored, f"{stored.name}{name.removeprefix(key)}"


def _with_axes(tensor: Tensor, axes: int | None) -> Tensor:
    """The tensor with trailing axes of size 1 added or taken away until it has `axes`, as far as that goes."""
    if axes is None:
        return tensor
    while tensor.ndim > axes and tensor.shape[-1] == 1:
        tensor = tensor.squeeze(-1)
    while tensor.ndim < axes:
        tensor = tensor.unsqueeze(-1)
    return tensor
