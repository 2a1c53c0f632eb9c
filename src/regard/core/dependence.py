"""The test of whether a trained network's maps must follow the input, by its ablation: one rule for every reader.

Three modes bear on the question: the maps as trained, frozen at their mean, and taken from another input. Freezing
*and* swapping must lose: swapping alone may hurt a network that does as well with constant maps, and a mean map may be
one that the network never met. Shuffled and neutral maps differ from all that the network was trained with, so a loss
there says nothing about the input.
"""

import math
from collections.abc import Iterable
from typing import Protocol

LEVEL = 0.05
"""The level of the test of each single network."""

EVIDENCE = ("mean", "swapped")
"""The modes that, against the maps as trained, tell whether the input matters."""


class Evidence(Protocol):
    """The inputs that a network got wrong, and right, with other maps than its own."""

    @property
    def mode(self) -> str:
        """The kind of maps that replaced the network's own."""

    @property
    def lost(self) -> tuple[int, ...]:
        """For each draw, inputs that got worse against the maps as trained; empty where none were counted."""

    @property
    def gained(self) -> tuple[int, ...]:
        """For each draw, inputs that got better."""


def sign_test(lost: int, gained: int) -> float:
    """McNemar's exact two-sided p value: of so uneven a split, if a changed input is lost or gained equally often.

    >>> sign_test(6, 0), sign_test(3, 3)
    (0.03125, 1.0)
    """
    n, fewer = lost + gained, min(lost, gained)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**n)


def loss_p(row: Evidence) -> float | None:
    """The p value of "other maps lose nothing": of the least convincing draw; 1 where a draw loses nothing.

    None where nothing was counted.
    """
    pairs = tuple(zip(row.lost, row.gained, strict=True))
    return max((sign_test(lost, gained) if lost > gained else 1.0 for lost, gained in pairs), default=None)


def dependence_p(rows: Iterable[Evidence]) -> float | None:
    """The p value of "this network does as well with maps that do not follow the input".

    It is the largest of the frozen and the swapped maps, over draws and with normalisation as it is and recomputed: all
    of them must lose, which needs no correction for their number.

    The rule is about one network and uses its rows alone, so that the answer does not depend on other
    networks. Of several networks each is judged at `LEVEL`, without a correction for their number; of several seeds of
    one kind of network, all must be shown to depend.

    Returns:
        None where one of the two modes was not measured, or its inputs were not counted.
    """
    found = [(row.mode, loss_p(row)) for row in rows if row.mode in EVIDENCE]
    known = [p for _, p in found if p is not None]
    if len(known) < len(found) or {mode for mode, _ in found} != set(EVIDENCE):
        return None
    return max(known)


def is_shown(p: float | None) -> bool | None:
    """Returns whether `dependence_p` is significant; False means that it was not shown, not that it is not so."""
    return None if p is None else p <= LEVEL
