"""Measure whole networks: ours inserted into a plain network of timm, and timm's own, against the plain one."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard import cost, surgery
from regard.attention.exchange import convert_weights, export_weights
from regard.core import DependencyError, Mechanism, OptionError, Spec
from regard.recipes.bench_agreement import OUTPUT, disagreement
from regard.recipes.bench_results import AUTO, EAGER, PLAIN, Case, Mode

MECHANISMS: Mapping[str, str] = {"se": "se:min_hidden=8", "cbam": "cbam:bias=false"}
"""The mechanisms of timm's networks, and ours with their options."""

NETWORK = "resnet50"
BATCH = 8
SIZE = 160
ROUNDS = 31

TOLERANCE = 3e-3
"""The largest relative error of a tensor: behind 50 layers, rounding changes the side of some ReLUs."""


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """A case to be measured; see `Case`."""

    mechanism: str
    mode: Mode
    network: str = NETWORK
    batch: int = BATCH
    size: int = SIZE


@dataclass(frozen=True, eq=False)
class Trio:
    """A network of timm without attention, with ours and with timm's, all with equal weights.

    Attributes:
        plain: the network without attention.
        ours: with our mechanism inserted.
        theirs: timm's network with timm's own.
        modules: our mechanisms by their path in timm's network.
    """

    plain: nn.Module
    ours: nn.Module
    theirs: nn.Module
    modules: Mapping[str, Mechanism]


def measure_network(plan: NetworkPlan, rounds: int = ROUNDS) -> Case:
    """Measures one case, channels last; a training step is one of SGD with momentum.

    Both networks with attention are compared first, outputs and the gradients of all parameters, in evaluation, where
    no batch statistics multiply the rounding of 50 layers.
    """
    torch.manual_seed(0)
    trio = build_trio(plan.mechanism, plan.network)
    example = torch.randn(plan.batch, 3, plan.size, plan.size).to(memory_format=torch.channels_last)
    wrong = _disagreement(trio, example)
    networks = {PLAIN: trio.plain, AUTO: trio.ours} | ({} if wrong else {EAGER: trio.theirs})
    timings = cost.time_in_turns(
        {name: net.to(memory_format=torch.channels_last) for name, net in networks.items()},
        example,
        what=plan.mode,
        rounds=rounds,
        min_seconds=0,
    )
    return Case(
        mechanism=plan.mechanism,
        network=plan.network,
        shape=tuple(example.shape),
        layout="channels last",
        mode=plan.mode,
        twin=f"timm.create_model({plan.network!r}, block_args={{'attn_layer': {plan.mechanism!r}}})",
        timings=timings,
        refused={EAGER: f"wrong: {wrong}"} if wrong else {},
    )


def build_trio(mechanism: str, network: str = NETWORK) -> Trio:
    """Builds the three networks.

    Raises:
        DependencyError: timm is not installed.
        OptionError: a mechanism that is not measured in networks.
    """
    if mechanism not in MECHANISMS:
        raise OptionError(
            f"regard bench: {mechanism} is not measured in whole networks; choose from {', '.join(MECHANISMS)}."
        )
    try:
        import timm
    except ImportError:
        raise DependencyError("regard bench --networks needs timm: pip install 'regard[timm]'.") from None
    plain = timm.create_model(network, zero_init_last=False)
    theirs = timm.create_model(network, zero_init_last=False, block_args={"attn_layer": mechanism})
    theirs.load_state_dict(plain.state_dict(), strict=False)
    ours = copy.deepcopy(plain)
    handle = surgery.select(ours).at("residual").insert(Spec.parse(MECHANISMS[mechanism]), start="paper").apply()
    modules = {f"{path.rpartition('.')[0]}.se": module for path, module in handle.modules.items()}
    for path, module in modules.items():
        theirs.get_submodule(path).load_state_dict(export_weights(module, "timm"))  # type: ignore[arg-type]
    return Trio(plain, ours, theirs, modules)  # type: ignore[arg-type]


def _disagreement(trio: Trio, example: Tensor) -> str | None:
    """The first tensor by which the two networks with attention differ, in words; None if they agree."""
    expected, found = _gradients(trio.ours, example), _gradients(trio.theirs, example)
    for path, module in trio.modules.items():
        inside = {name.removeprefix(f"{path}."): t for name, t in found.items() if name.startswith(f"{path}.")}
        state = {**trio.theirs.get_submodule(path).state_dict(), **inside}
        found |= {f"{path}.{name}": tensor for name, tensor in convert_weights(module, state, "timm").items()}
    return disagreement(found, {_theirs(name, trio): tensor for name, tensor in expected.items()}, TOLERANCE)


def _gradients(net: nn.Module, example: Tensor) -> dict[str, Tensor]:
    """The logits, and the gradients of all parameters by name."""
    net = copy.deepcopy(net).to(memory_format=torch.channels_last).eval()
    logits = net(example)
    logits.square().mean().backward()
    return {OUTPUT: logits.detach()} | {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def _theirs(name: str, trio: Trio) -> str:
    """The path of a parameter of our network in timm's."""
    host, inserted, parameter = name.partition(".attention.")
    return f"{host.rpartition('.')[0]}.se.{parameter}" if inserted else name
