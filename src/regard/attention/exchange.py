"""Weights of single mechanisms from and for other libraries."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from torch import Tensor

from regard.attention.layouts import LIBRARIES
from regard.core.errors import CheckpointError, unknown_name
from regard.core.layout import Layout
from regard.core.mechanism import Mechanism


def import_weights(module: Mechanism, state: Mapping[str, Tensor], library: str) -> None:
    """Loads the state dict of the same mechanism in another library.

    Every tensor is renamed, brought into our shape and order (the planes of CBAM's spatial kernel, for example, stand
    the other way round in timm) and checked before the first one is loaded.

    Args:
        module: a mechanism of the catalogue, built with the options of those weights; changed in place.
        state: the other library's state dict of its module.
        library: `timm`, `torchvision`, `pytorchcv`, `official` (the authors' code) or another of `layouts_of`.

    Raises:
        UnknownNameError: this mechanism has no twin in that library, or none that computes the same.
        CheckpointError: the module was built with other options than theirs, or a tensor is missing, too many or of
            another shape; the module is then as it was.

    Example:
        >>> import torch
        >>> from regard.attention import create
        >>> gate = create("se", channels=8, reduction=4)
        >>> import_weights(gate, export_weights(create("se", channels=8, reduction=4), "timm"), "timm")
    """
    held_back = getattr(module, "strength", None) is not None
    module.load_state_dict(convert_weights(module, state, library), strict=not held_back)


def convert_weights(module: Mechanism, state: Mapping[str, Tensor], library: str) -> dict[str, Tensor]:
    """Converts the state dict of the same mechanism in another library to ours, as `import_weights` does.

    Args:
        module: a mechanism of the catalogue, built with the options of those weights; it is not changed.
        state: the other library's state dict of its module.
        library: see `import_weights`.

    Returns:
        Every tensor of the module but the `strength` of an identity start.

    Raises:
        UnknownNameError: as in `import_weights`.
        CheckpointError: as in `import_weights`.
    """
    held_back = getattr(module, "strength", None) is not None
    like = {name: values for name, values in module.state_dict().items() if name != "strength" or not held_back}
    layouts = _fitting_layouts(module, library)
    found = next((layout for layout in layouts if layout.names_all(like, state)), layouts[0])
    found.check(module.options, state)
    return found.to_ours(state, like)


def export_weights(module: Mechanism, library: str) -> dict[str, Tensor]:
    """The module's state dict as another library stores it; the tensors are copies.

    Args:
        module: a mechanism of the catalogue.
        library: see `import_weights`.

    Raises:
        UnknownNameError: this mechanism has no twin in that library, or none that computes the same.
        CheckpointError: a tensor that they do not have, such as the `strength` of an identity start.

    Example:
        >>> from regard.attention import create
        >>> list(export_weights(create("se", channels=8, reduction=4), "timm"))
        ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']
    """
    theirs = layout_of(module, library).to_theirs(module.state_dict())
    return {name: values.detach().clone() for name, values in theirs.items()}


@cache
def layouts_of(name: str) -> tuple[Layout, ...]:
    """The layouts of other libraries for the mechanism of that name in the catalogue.

    >>> [layout.library for layout in layouts_of("cse")]
    ['official']
    """
    # Read when they are first asked for: to make a mechanism needs none of them.
    tables = (import_module(f"regard.attention.layouts.{library}").LAYOUTS for library in LIBRARIES)
    return tuple(layout for table in tables for layout in table if layout.mechanism == name)


def layouts_for(module: Mechanism) -> tuple[Layout, ...]:
    """The layouts of other libraries for the module: those of its class, else those of the catalogue."""
    return module.layouts or layouts_of(module.facts.name)


def layout_of(module: Mechanism, library: str) -> Layout:
    """The layout of that library for the module; the newest where it has several."""
    return _fitting_layouts(module, library)[0]


def _fitting_layouts(module: Mechanism, library: str) -> list[Layout]:
    """The layouts in that library of twins that compute the module's function, at least one."""
    known = layouts_for(module)
    layouts = [layout for layout in known if layout.library == library]
    if not known:
        raise CheckpointError(
            f"{module.facts.name}: no other library is known that computes the same, so its weights have no other "
            "layout than ours: save and load its state dict."
        )
    if not layouts:
        libraries = {layout.library for layout in known}
        raise unknown_name(f"library with a twin of {module.facts.name!r}", library, libraries)
    fitting = [layout for layout in layouts if not layout.unlike(module.options)]
    if fitting:
        return fitting
    ways = "; or ".join(f"{layout.unlike(module.options)} for {layout.twin}" for layout in layouts)
    raise CheckpointError(
        f"{module.facts.name}: {library} computes another function than this module: build it with {ways}."
    )
