"""Measure single mechanisms: every contestant's outputs and gradients first, then their times in turns."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard import cost, kernels
from regard.recipes.bench_agreement import FEATURES, OUTPUT, disagreement
from regard.recipes.bench_results import AUTO, COMPILED, COPY, EAGER, REFERENCE, Case, Layout, Mode
from regard.recipes.bench_twins import INSIDE, Pair, make_pair

FORMATS: Mapping[Layout, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels last": torch.channels_last,
}
"""PyTorch's names of the layouts."""


@dataclass(frozen=True, kw_only=True)
class ModulePlan:
    """A case to be measured; see `Case`."""

    mechanism: str
    shape: tuple[int, ...]
    layout: Layout
    mode: Mode
    compiled: bool = False


@dataclass(frozen=True, eq=False)
class Contestant:
    """A pass, and the names of the tensors that it gives."""

    run: Callable[[], tuple[Tensor | None, ...]]
    name: Callable[[tuple[Tensor | None, ...]], dict[str, Tensor]]


def measure_module(plan: ModulePlan, rounds: int, min_seconds: float = 0.05) -> Case:
    """Measures one case.

    A contestant whose output or gradients differ from those of our mechanism in plain PyTorch, or that fails, is
    refused.

    Args:
        plan: the case.
        rounds: number of rounds.
        min_seconds: a contestant's turn is repeated until it should last at least this long.
    """
    torch.manual_seed(0)
    pair = make_pair(plan.mechanism, plan.shape[1])
    inputs = [torch.randn(plan.shape).to(memory_format=FORMATS[plan.layout]) for _ in range(pair.inputs)]
    contestants = _contestants(pair, inputs, plan)
    accepted, refused = _check(contestants)
    timings = cost.time_functions(
        {**{name: contestants[name].run for name in accepted}, COPY: _copy(inputs[0])},
        what=plan.mode,
        images=plan.shape[0],
        device=inputs[0].device,
        rounds=rounds,
        min_seconds=min_seconds,
    )
    if plan.compiled:
        torch._dynamo.reset()
    return Case(
        mechanism=plan.mechanism,
        shape=plan.shape,
        layout=plan.layout,
        mode=plan.mode,
        twin=pair.name,
        timings=timings,
        refused=refused,
    )


def _contestants(pair: Pair, inputs: list[Tensor], plan: ModulePlan) -> dict[str, Contestant]:
    """The contestants, ours first, which is what the others' ratios are to."""
    layout = FORMATS[plan.layout]
    ours = pair.ours.to(memory_format=layout)
    made = {
        AUTO: _contestant(cost.ModulePass(ours, inputs, what=plan.mode), dict, "auto"),
        REFERENCE: _contestant(cost.ModulePass(ours, inputs, what=plan.mode), dict, "reference"),
    }
    if pair.theirs is not None:
        theirs: nn.Module = pair.theirs.to(memory_format=layout)
        made[EAGER] = _contestant(cost.ModulePass(theirs, inputs, what=plan.mode), pair.renamed)
        if plan.compiled:
            one = cost.ModulePass(theirs, inputs, what=plan.mode, compiled=True)
            made[COMPILED] = _contestant(one, pair.renamed)
    return made


def _contestant(
    run: cost.ModulePass,
    renamed: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    impl: kernels.choice.Impl | None = None,
) -> Contestant:
    def forced() -> tuple[Tensor | None, ...]:
        with kernels.use(impl or "auto"):
            return run()

    def name(found: tuple[Tensor | None, ...]) -> dict[str, Tensor]:
        number = 1 + len(run.inputs)
        names = [name.removeprefix(INSIDE) for name, _ in run.module.named_parameters()]
        own = {name: tensor for name, tensor in zip(names, found[number:], strict=False) if tensor is not None}
        tensors = {OUTPUT: found[0]} | {f"{FEATURES}{i or ''}": tensor for i, tensor in enumerate(found[1:number])}
        if own:
            tensors |= {f"the gradient of {name}": tensor for name, tensor in renamed(own).items()}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    return Contestant(run if impl is None else forced, name)


def _check(contestants: Mapping[str, Contestant]) -> tuple[list[str], dict[str, str]]:
    """The contestants that agree with our mechanism in plain PyTorch, and the others with the reason."""
    reference = contestants[REFERENCE]
    expected = reference.name(reference.run())
    accepted, refused = [], {}
    for name, contestant in contestants.items():
        try:
            wrong = disagreement(contestant.name(contestant.run()), expected)
        except Exception as error:
            refused[name] = f"failed: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        else:
            if wrong is None:
                accepted.append(name)
            else:
                refused[name] = f"wrong: {wrong}"
    return accepted, refused


def _copy(x: Tensor) -> Callable[[], Tensor]:
    """A copy of one tensor into another, the least that any gate can take."""
    return functools.partial(torch.empty_like(x).copy_, x)
