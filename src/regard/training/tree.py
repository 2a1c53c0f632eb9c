"""Splits a checkpoint, a tree of dicts, lists and tuples, into tensors and a JSON description of the rest."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from regard.core.errors import CheckpointError

_TENSOR, _ITEMS, _TUPLE = "__tensor__", "__items__", "__tuple__"


def flatten(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """Separates the tensors from `tree`.

    Returns:
        The tensors by their path in the tree, contiguous, and the tree with a JSON mark instead of each; keys that are
        not strings, and tuples, also have marks, so that `unflatten` restores them.

    Raises:
        TypeError: a value that JSON cannot represent; such a value would need a pickle.

    Example:
        >>> tensors, rest = flatten({"state": {0: (torch.zeros(2), 0.5)}})
        >>> list(tensors)
        ['state/0/0']
        >>> unflatten(rest, tensors)
        {'state': {0: (tensor([0., 0.]), 0.5)}}
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _take(tree, (), tensors)


def _take(node: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        return _take_tensor(node, path, tensors)
    if isinstance(node, Mapping):
        if all(isinstance(key, str) and not key.startswith("__") for key in node):
            return {key: _take(value, (*path, key), tensors) for key, value in node.items()}
        return {_ITEMS: [[_take(k, path, tensors), _take(v, (*path, str(k)), tensors)] for k, v in node.items()]}
    if isinstance(node, list | tuple):
        values = [_take(value, (*path, str(index)), tensors) for index, value in enumerate(node)]
        return values if isinstance(node, list) else {_TUPLE: values}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"{'/'.join(path)}: a {type(node).__name__} cannot be stored as safetensors and JSON: {node!r}.")


def _take_tensor(tensor: Tensor, path: tuple[str, ...], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Stores the memory format of a dense tensor (for example channels-last): sums can depend on it in the last bit."""
    name = "/".join(path)
    while name in tensors:
        name += "'"
    tensor = tensor.detach().cpu()
    order = sorted(range(tensor.ndim), key=tensor.stride().__getitem__, reverse=True)
    plain = tensor.is_contiguous() or not tensor.permute(order).is_contiguous()
    tensors[name] = (tensor if plain else tensor.permute(order)).contiguous()
    return {_TENSOR: name} if plain else {_TENSOR: name, "order": order}


def unflatten(rest: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Restores the tree from the output of `flatten`.

    Raises:
        CheckpointError: a tensor that `rest` names is missing.
    """
    if isinstance(rest, list):
        return [unflatten(value, tensors) for value in rest]
    if not isinstance(rest, dict):
        return rest
    if _TENSOR in rest:
        return _put(rest, tensors)
    if _TUPLE in rest:
        return tuple(unflatten(value, tensors) for value in rest[_TUPLE])
    if _ITEMS in rest:
        return {unflatten(key, tensors): unflatten(value, tensors) for key, value in rest[_ITEMS]}
    return {key: unflatten(value, tensors) for key, value in rest.items()}


def _put(mark: dict[str, Any], tensors: Mapping[str, Tensor]) -> Tensor:
    name, order = mark[_TENSOR], mark.get("order")
    if name not in tensors:
        raise CheckpointError(f"The checkpoint's description names a tensor {name!r} that is not in its data.")
    tensor = tensors[name]
    return tensor if order is None else tensor.permute(torch.argsort(torch.tensor(order)).tolist())
