"""Insertion from a saved plan, with or without its weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from regard.core.errors import CheckpointError, SurgeryError
from regard.core.spec import Spec
from regard.surgery.attended import refusal
from regard.surgery.handle import ENTRY, KIND, Handle
from regard.surgery.inserted import build
from regard.surgery.plan import Plan, Row
from regard.surgery.refusals import refuse
from regard.surgery.sites import Site


def plan_from_json(net: nn.Module, record: Mapping[str, Any], where: str = "plan") -> Plan:
    """The plan that `Plan.to_json` wrote, for another copy of the network; sites are found by their paths.

    Args:
        net: the other copy.
        record: the plan.
        where: it comes from, for errors.

    Raises:
        SurgeryError: the network lacks a module of the plan, or it cannot have attention.
        CheckpointError: the record is no plan.
    """
    refuse(net)
    modules = dict(net.named_modules())
    try:
        spec, start, seed = Spec.parse(record["mechanism"]), str(record["start"]), int(record["seed"])
        sites = [(one["path"], int(one["channels"]), int(one["dims"]), int(one["axis"])) for one in record["sites"]]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: it holds no plan of attention that can be read ({error!r}).") from error
    missing = [path for path, *_ in sites if path not in modules]
    if missing:
        raise SurgeryError(
            f"{where}: {type(net).__name__} has no module {', '.join(missing[:4])}: it is another network than the one "
            "that the plan was made for. Build that one."
        )
    rows = []
    for path, channels, dims, axis in sites:
        reason = refusal(modules[path])
        if reason is not None:
            raise SurgeryError(f"{where}: {path} cannot be given attention: {reason}.")
        like = next((p for p in (*modules[path].parameters(), *net.parameters()) if p.is_floating_point()), None)
        like = torch.zeros(()) if like is None else like
        _check_channels(modules[path], channels, f"{where}: {path}")
        site = Site(
            path, "residual", type(modules[path]).__name__, channels, (1,) * dims, axis,
            dtype=like.dtype, device=like.device,
        )  # fmt: skip
        child = build(spec, site, start, seed)
        rows.append(Row(site, sum(p.numel() for p in child.parameters()), 0, child))
    return Plan(spec, start, seed, tuple(rows), (), net, None)


def load(net: nn.Module, path: str | Path) -> Handle:
    """Inserts what `Handle.save` wrote, plan and weights, into another copy of the network; all of it or nothing.

    Raises:
        CheckpointError: a file that is damaged or of another kind, or whose tensors do not go with its plan.
        SurgeryError: the network is another one.
    """
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: it cannot be read as safetensors ({error}): copy or save it again.") from error
    if not isinstance(metadata, dict) or metadata.get("kind") != KIND:
        raise CheckpointError(f"{path}: it holds no inserted attention: name a file that `handle.save` wrote.")
    handle = plan_from_json(net, metadata.get("plan") or {}, str(path)).apply()
    ours = handle.state()
    wrong = [k for k in {**ours, **tensors} if k not in ours or k not in tensors or ours[k].shape != tensors[k].shape]
    if wrong:
        handle.revert()
        raise CheckpointError(
            f"{path}: {len(wrong)} tensors do not go with the plan, {wrong[0]} among them: the file is damaged, or the "
            "mechanism has changed since."
        )
    with torch.no_grad():
        for key, tensor in ours.items():
            tensor.copy_(tensors[key])
    return handle


def _check_channels(host: nn.Module, channels: int, where: str) -> None:
    """A host that says how many channels it returns must say those of the plan."""
    for name in ("num_features", "out_channels", "out_features"):
        given = host.__dict__.get(name)
        if isinstance(given, int) and given != channels:
            raise SurgeryError(
                f"{where} returns {given} channels, and the plan has {channels}: it was made for another network."
            )
