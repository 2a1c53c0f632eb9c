"""Dependence of each arm's maps on the input, from its ablations of one network a seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from regard.core.dependence import dependence_p, is_shown
from regard.report.results import AblationMode, AblationRow, Interval
from regard.report.statistics import t_interval


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """The conclusion from the ablation of one arm.

    Attributes:
        arm: its spec.
        shown: whether its maps are shown to depend on the input, in the network of every seed (`core.dependence`).
        p: the largest p value among these; None where a mode is missing.
        frozen_loss: accuracy as trained minus accuracy with frozen maps, averaged over seeds; a share.
        swapped_loss: the same with another image's maps.
    """

    arm: str
    shown: bool
    p: float | None
    frozen_loss: float | None
    swapped_loss: float | None


@dataclass(frozen=True, kw_only=True)
class AblationLoss:
    """The accuracy that networks of one arm lose when something is done to their maps.

    Attributes:
        arm: its spec.
        mode: what is done.
        seeds: networks.
        mean: accuracy as trained minus accuracy so, averaged over the networks; a share.
        interval: t interval of the mean, for other seeds on these images; None with fewer than two networks.
    """

    arm: str
    mode: AblationMode
    seeds: int
    mean: float
    interval: Interval | None

    @property
    def shown(self) -> bool:
        """True if the interval lies above 0."""
        return self.interval is not None and self.interval.low > 0


def ablation_losses(rows: Sequence[AblationRow], modes: Sequence[AblationMode]) -> tuple[AblationLoss, ...]:
    """Measures what each arm loses in each mode, the modes of one arm together.

    The intervals hold together with 95 %, by Bonferroni's correction over all of them.
    """
    found = {(arm, mode): _losses([r for r in rows if r.arm == arm], mode) for arm in _arms(rows) for mode in modes}
    found = {key: losses for key, losses in found.items() if losses}
    level = 1 - 0.05 / max(1, len(found))
    return tuple(
        AblationLoss(arm=arm, mode=mode, seeds=len(losses), mean=_mean(losses), interval=t_interval(losses, level))
        for (arm, mode), losses in found.items()
    )


def depends_on_input(rows: Sequence[AblationRow]) -> tuple[Dependence, ...]:
    """Judges every arm that has ablation rows, each by its own rows, in the order in which they first appear."""
    return tuple(_judge(arm, [row for row in rows if row.arm == arm]) for arm in _arms(rows))


def _judge(arm: str, rows: Sequence[AblationRow]) -> Dependence:
    found = [dependence_p([row for row in rows if row.seed == seed]) for seed in {row.seed for row in rows}]
    known = [p for p in found if p is not None]
    p = max(known) if len(known) == len(found) else None
    return Dependence(
        arm=arm, shown=bool(is_shown(p)), p=p, frozen_loss=_loss(rows, "mean"), swapped_loss=_loss(rows, "swapped")
    )


def _arms(rows: Sequence[AblationRow]) -> list[str]:
    return list(dict.fromkeys(row.arm for row in rows))


def _loss(rows: Sequence[AblationRow], mode: AblationMode) -> float | None:
    losses = _losses(rows, mode)
    return _mean(losses) if losses else None


def _losses(rows: Sequence[AblationRow], mode: AblationMode) -> list[float]:
    accuracy = {
        wanted: {r.seed: _mean(r.accuracies) for r in rows if r.mode == wanted and not r.renormalised}
        for wanted in ("trained", mode)
    }
    both = [seed for seed in accuracy[mode] if seed in accuracy["trained"]]
    return [accuracy["trained"][s] - accuracy[mode][s] for s in both]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
