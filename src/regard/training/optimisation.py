"""The optimizer with its parameter groups, the learning-rate schedule, and the moving average of the weights."""

from collections.abc import Callable, Sequence
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from regard.core.mechanism import Mechanism
from regard.training.recipe import Recipe

_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


def parameter_groups(net: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """Returns the trainable parameters of `net` in groups with a learning rate and a weight decay each.

    Biases, normalisations and single scalars (a mechanism's `strength`) have no weight decay; the parameters of
    attention mechanisms have the learning rate `recipe.attention_lr` times that of the others. A parameter that two
    modules share is in one group only.
    """
    inserted = {id(p) for m in net.modules() if isinstance(m, Mechanism) for p in m.parameters()}
    normal = {id(p) for m in net.modules() if isinstance(m, _NORMS) for p in m.parameters(recurse=False)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in net.parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and id(parameter) not in normal
            groups.setdefault((id(parameter) in inserted, decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": _number(recipe.lr) * (recipe.attention_lr if attention else 1.0),
            "weight_decay": _number(recipe.weight_decay) if decays else 0.0,
        }
        for (attention, decays), parameters in sorted(groups.items())
    ]


def optimizer(net: nn.Module, recipe: Recipe) -> Optimizer:
    """Returns the recipe's optimizer over the parameters of `net`."""
    groups = parameter_groups(net, recipe)
    if recipe.optimizer == "adamw":
        return AdamW(groups, lr=_number(recipe.lr))
    return SGD(groups, lr=_number(recipe.lr), momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def schedule(recipe: Recipe, steps_per_epoch: int) -> Callable[[int], float]:
    """Returns the learning rate of each step as a share of the highest: linear warm-up, cosine decay to (almost) 0.

    Example:
        >>> share = schedule(Recipe(epochs=2, warmup_epochs=0.5), steps_per_epoch=4)
        >>> [round(share(step), 2) for step in range(8)]
        [0.33, 0.67, 1.0, 0.93, 0.75, 0.5, 0.25, 0.07]
    """
    total = recipe.epochs * steps_per_epoch
    warm = min(round(recipe.warmup_epochs * steps_per_epoch), total - 1)

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 * (1 + cos(pi * (step - warm) / (total - warm)))

    return share


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Returns the in-place update of an exponential moving average: averaged += (1 - d) (current - averaged).

    d is `decay`, or (1 + n) / (10 + n) after n updates if that is smaller, so that the average of a short training is
    not dominated by its first weights. Integer counters take the current value.
    """

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        n = int(updates)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(list(averaged), list(current), weight)
        else:
            torch._foreach_copy_(list(averaged), list(current))

    return update


def _number(value: float | None) -> float:
    assert value is not None, "Recipe fills in what was None"
    return value
