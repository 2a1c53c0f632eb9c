"""Whether a trained network's maps depend on the picture, judged from its ablation.

Three modes bear on the question: the maps as trained, frozen at their mean, and taken from another picture. Shuffled
and neutral maps differ from all that the network was trained with, so a loss there says nothing about the input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from regard.report.results import AblationRow
from regard.report.statistics import ALPHA, holm

EVIDENCE = ("mean", "swapped")


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """What the ablation of one arm says.

    Attributes:
        arm: its spec.
        shown: whether its maps depend on the input: both frozen and swapped maps cost accuracy, in every seed and
            with and without recomputed BatchNorm statistics where both were tried.
        p: the largest p value among these, Holm-corrected over the arms; None where a mode is missing.
        frozen_loss: accuracy as trained minus accuracy with frozen maps, averaged over seeds; a share.
        swapped_loss: the same with another picture's maps.
    """

    arm: str
    shown: bool
    p: float | None
    frozen_loss: float | None
    swapped_loss: float | None


def depends_on_input(rows: Sequence[AblationRow]) -> tuple[Dependence, ...]:
    """Judges every arm that has ablation rows, in the order in which they first appear.

    Args:
        rows: of any number of arms and seeds; each seed needs its `trained` row without recomputed statistics.
    """
    arms = tuple(dict.fromkeys(row.arm for row in rows))
    grouped = [[row for row in rows if row.arm == arm] for arm in arms]
    corrected = holm([_largest_p(group) for group in grouped])
    return tuple(
        Dependence(
            arm=arm,
            shown=p is not None and p <= ALPHA,
            p=p,
            frozen_loss=_loss(group, "mean"),
            swapped_loss=_loss(group, "swapped"),
        )
        for arm, group, p in zip(arms, grouped, corrected, strict=True)
    )


def loss_p(trained: AblationRow, ablated: AblationRow) -> float:
    """p value of "the ablated network loses nothing", the largest over the draws; 1 where it loses nothing.

    Where lost and gained pictures were counted, the exact two-sided sign test of McNemar. Otherwise a normal test
    that treats the two accuracies as independent, which overstates the noise of the same network on the same pictures.
    """
    if ablated.lost:
        pairs = zip(ablated.lost, ablated.gained, strict=True)
        return max(_sign_test(lost, gained) for lost, gained in pairs)
    return max(_independent(_mean(trained.accuracies), accuracy, ablated.n) for accuracy in ablated.accuracies)


def _largest_p(rows: Sequence[AblationRow]) -> float | None:
    trained = {row.seed: row for row in rows if row.mode == "trained" and not row.renormalised}
    evidence = [row for row in rows if row.mode in EVIDENCE and row.seed in trained]
    complete = all({row.mode for row in evidence if row.seed == seed} == set(EVIDENCE) for seed in trained)
    if not evidence or not complete:
        return None
    return max(loss_p(trained[row.seed], row) for row in evidence)


def _sign_test(lost: int, gained: int) -> float:
    from scipy import stats

    return float(stats.binomtest(lost, lost + gained).pvalue) if lost > gained else 1.0


def _independent(trained: float, ablated: float, n: int) -> float:
    from scipy import stats

    if trained <= ablated:
        return 1.0
    shares = [(share * n + 1) / (n + 2) for share in (trained, ablated)]
    error = math.sqrt(math.fsum(share * (1 - share) for share in shares) / n)
    return float(2 * stats.norm.sf((trained - ablated) / error))


def _loss(rows: Sequence[AblationRow], mode: str) -> float | None:
    accuracy = {
        wanted: {r.seed: _mean(r.accuracies) for r in rows if r.mode == wanted and not r.renormalised}
        for wanted in ("trained", mode)
    }
    both = [seed for seed in accuracy[mode] if seed in accuracy["trained"]]
    return _mean([accuracy["trained"][s] - accuracy[mode][s] for s in both]) if both else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
