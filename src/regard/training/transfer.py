"""Transfer of trained weights from other sources, or from a network without attention."""

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from regard.core.errors import CheckpointError
from regard.training.matching import Layouts, attention_paths, head_of, inside, match, own_layouts
from regard.training.weights import check_state

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "model_ema")
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Transfer:
    """The result of `transfer`.

    Attributes:
        loaded: number of tensors loaded from the file.
        renewed: names of the head's tensors if these have another shape or are missing in the file: newly initialised.
        added: paths of the attention mechanisms that the file lacks: newly initialised.
        remarks: the changes of names, a clause each.
        headless: True if the file has no head that fits.
    """

    loaded: int
    renewed: tuple[str, ...]
    added: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    headless: bool = False

    def __str__(self) -> str:
        parts = [f"{self.loaded} tensors were loaded", *self.remarks]
        if self.renewed:
            why = "the file lacks them" if self.headless else "the number of classes differs"
            parts.append(f"{', '.join(self.renewed)} are newly initialised, as {why}")
        if self.added:
            parts.append(f"{len(self.added)} attention modules are new")
        return "; ".join(parts)


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Reads the tensors of a `.safetensors` or PyTorch file by name; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing or damaged, or contains objects that are not tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: there is no such file; name a .safetensors or .pth file with trained weights. regard downloads "
            "none: save those of timm with torch.save(timm.create_model(NAME, pretrained=True).state_dict(), "
            "'NAME.pth') and use them with --model timm:NAME --weights NAME.pth; likewise for torchvision."
        )
    with path.open("rb") as file:
        start = file.read(9)
    # The length at the start of a .safetensors file may begin with the byte that a pickle begins with.
    pickled = start.startswith((b"PK\x03\x04", b"\x80")) and start[8:] != b"{"
    try:
        found: Any = _load_torch(path) if pickled else load_file(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: the file contains more than tensors, and loading it could execute any code, so it is refused. "
            "Get the weights as .safetensors, or save them as a plain state dict."
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: the file cannot be read as weights ({str(error).strip().splitlines()[0]}): it may be truncated "
            "or of another format. Download it again, or convert it to .safetensors."
        ) from error
    return _unwrap(found, path)


def _load_torch(path: Path) -> Any:
    with path.open("rb") as file, warnings.catch_warnings():
        # PyTorch asks the user to report a pickle of a protocol that it refuses; our error says what to do.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        warnings.filterwarnings("ignore", message="Validating sparse tensor")  # which are refused
        return torch.load(file, map_location="cpu", weights_only=True)


def _unwrap(found: Any, path: Path) -> dict[str, Tensor]:
    """Returns the state dict, also if a training script saved it inside another dict."""
    for name in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not found or not all(_is_named(*entry) for entry in found.items()):
        raise CheckpointError(f"{path}: the file contains no weights by name; it must be a state dict.")
    state = dict(found)
    for name, value in state.items():
        if (form := _unusual_form(value)) is not None:
            raise CheckpointError(
                f"{path}: {name!r} is a {form} tensor, and weights are dense tensors of real numbers: save them as "
                "such, for example as .safetensors."
            )
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _is_named(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _unusual_form(value: Tensor) -> str | None:
    """Returns the form of a tensor that no module of ours can take, or None."""
    if value.is_meta:
        return "meta"  # its values were never stored
    if value.is_quantized:
        return "quantised"
    if value.layout != torch.strided:
        return "sparse"
    return "complex" if value.is_complex() else None


def transfer(
    net: nn.Module, state: Mapping[str, Tensor], source: str, classes: int, *, layouts: Layouts = own_layouts
) -> Transfer:
    """Loads trained weights into `net`, except for a head that differs or is missing, and for new attention.

    A prefix of the names is stripped, a head of another name is renamed, and mechanisms may have the layout of another
    library; weights of a single mechanism are loaded into the one module that they fit.

    Args:
        net: changed in place; on an error it is as before.
        state: trained tensors by name.
        source: name of their source, for messages.
        classes: number of outputs of `net`.
        layouts: returns the layouts of a mechanism in other libraries; by default those on its class.

    Raises:
        CheckpointError: anything else differs: the weights are those of another network.
    """
    own = net.state_dict()
    try:
        matched = match(net, state, classes, layouts)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {error}") from error
    given = matched.state
    head = head_of(net, classes)
    missing = [n for n in own if head is not None and n.startswith(f"{head}.") and n not in given]
    others = [n for n in own if n in given and _other_head(own[n], given[n], classes)]
    renewed = tuple(n for n in own if n in others or n in missing) if set(given) & set(own) else tuple(others)
    new = {path: [n for n in own if inside(n, path) and n not in given] for path in attention_paths(net)}
    forgiven = {*renewed, *chain(*new.values()), *(n for n in own if n.endswith("num_batches_tracked"))}
    if matched.single:
        forgiven = set(own) - set(given)
    check_state(net, {n: v.shape for n, v in given.items()} | {n: own[n].shape for n in forgiven}, source)
    taken = {name: value for name, value in given.items() if name not in renewed}
    net.load_state_dict(taken, strict=False)
    if matched.single:
        return Transfer(len(taken), (), (), tuple(matched.remarks))
    return Transfer(
        len(taken), renewed, tuple(path for path, names in new.items() if names), tuple(matched.remarks), bool(missing)
    )


def _other_head(own: Tensor, given: Tensor, classes: int) -> bool:
    """Returns True if the two differ only in the number of classes."""
    return (
        own.ndim == given.ndim > 0
        and own.shape != given.shape
        and own.shape[1:] == given.shape[1:]
        and (own.shape[0] == classes)
    )
