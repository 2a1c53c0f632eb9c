"""Dependence of each arm's maps on the input, from its ablations of one network a seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from regard.core.dependence import dependence_p, is_shown
from regard.report.results import AblationRow


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


def depends_on_input(rows: Sequence[AblationRow]) -> tuple[Dependence, ...]:
    """Judges every arm that has ablation rows, each by its own rows, in the order in which they first appear."""
    return tuple(_judge(arm, [row for row in rows if row.arm == arm]) for arm in dict.fromkeys(row.arm for row in rows))


def _judge(arm: str, rows: Sequence[AblationRow]) -> Dependence:
    found = [dependence_p([row for row in rows if row.seed == seed]) for seed in {row.seed for row in rows}]
    known = [p for p in found if p is not None]
    p = max(known) if len(known) == len(found) else None
    return Dependence(
        arm=arm, shown=bool(is_shown(p)), p=p, frozen_loss=_loss(rows, "mean"), swapped_loss=_loss(rows, "swapped")
    )


def _loss(rows: Sequence[AblationRow], mode: str) -> float | None:
    accuracy = {
        wanted: {r.seed: _mean(r.accuracies) for r in rows if r.mode == wanted and not r.renormalised}
        for wanted in ("trained", mode)
    }
    both = [seed for seed in accuracy[mode] if seed in accuracy["trained"]]
    return _mean([accuracy["trained"][s] - accuracy[mode][s] for s in both]) if both else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
