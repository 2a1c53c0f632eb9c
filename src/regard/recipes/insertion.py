"""Attention in networks of other libraries and of the user, which are built without and edited."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from regard import attention as catalogue
from regard import models, surgery
from regard.core.errors import OptionError, SurgeryError
from regard.core.features import Start
from regard.core.run_record import NetworkRecord, RunRecord
from regard.core.spec import Spec
from regard.core.tap import taps
from regard.data import Preprocessing
from regard.surgery.inserted import check
from regard.training.matching import attention_paths, inside


def is_inserted(network: NetworkRecord) -> bool:
    """Returns True if the network gets its attention after it was built.

    >>> is_inserted(NetworkRecord(name="torchvision:resnet18", options={"attention": "se"}))
    True
    >>> is_inserted(NetworkRecord(name="resnet20", options={"attention": "se"}))
    False
    """
    return network.options.get("attention") is not None and models.is_foreign(network.name)


def without_attention(network: NetworkRecord) -> NetworkRecord:
    """Returns the record of the same network, to be built without attention."""
    return replace(network, options={**network.options, "attention": None})


def check_network(network: NetworkRecord, *, seed: int, recompute: bool) -> None:
    """Builds a network for two classes, to report a wrong name or option early."""
    if is_inserted(network):
        spec = check(network.options["attention"], {})
        catalogue.create(spec, channels=64)
        network = without_attention(network)
    models.create(network.name, **network.options, num_classes=2, seed=seed, recompute=recompute)


def plan_for(net: nn.Module, mechanism: str, shape: tuple[int, ...], *, start: Start, seed: int) -> surgery.Plan:
    """Returns the plan of a mechanism where its facts say that it belongs, or at the best kind of site that there is.

    Args:
        net: the network without attention.
        mechanism: with its options.
        shape: of an input, (1, c, h, w).
        start: `paper` or `identity`, unless the mechanism's options name it.
        seed: random seed of the initial values.
    """
    like = next(net.parameters())
    selection = surgery.select(net, torch.zeros(shape, dtype=like.dtype, device=like.device))
    at = catalogue.find(Spec.parse(mechanism).name).facts.at
    chosen = selection.at(at) if at in ("residual", "stage") else selection.at("auto")
    return (chosen if chosen.sites else selection.at("auto")).insert(mechanism, start=start, seed=seed)


def plan_attention(
    record: RunRecord, net: nn.Module, preprocessing: Preprocessing, *, start: Start, seed: int
) -> RunRecord:
    """Returns the record of a run with the plan by which attention is inserted into its network."""
    shape = (1, preprocessing.channels, *preprocessing.size)
    plan = plan_for(net, record.network.options["attention"], shape, start=start, seed=seed)
    return replace(record, attention=plan.to_json())


def freeze(net: nn.Module, renewed: tuple[str, ...]) -> None:
    """Stops the training of all parameters but those of attention and of a newly initialised head.

    Raises:
        OptionError: nothing would be trained.
    """
    paths = attention_paths(net)
    kept = [name for name, _ in net.named_parameters() if name in renewed or any(inside(name, path) for path in paths)]
    if not kept:
        raise OptionError("train: --freeze leaves nothing to train: name --attention, or leave out --freeze.")
    train_only(net, kept)


def train_only(net: nn.Module, names: list[str] | tuple[str, ...]) -> None:
    """Stops the training of all parameters but those of these names."""
    chosen = set(names)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in chosen)


def trained_names(net: nn.Module) -> list[str]:
    """Returns the names of the parameters that are trained."""
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


def show_own_attention(net: nn.Module) -> nn.Module:
    """Gives taps to the attention that another library built into a network; returns the network.

    Where regard's attention was inserted too, that alone has taps: it is what the run was trained for.
    """
    if not taps(net):
        with suppress(SurgeryError):
            surgery.attentions(net)
    return net


def insert(net: nn.Module, plan: dict[str, Any], where: str) -> nn.Module:
    """Inserts attention by the plan of a record; returns the network."""
    surgery.plan_from_json(net, plan, where).apply()
    return net
