"""The results of an ablation, and the conclusion from them."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from regard.core.dependence import EVIDENCE, dependence_p, is_shown, loss_p
from regard.core.errors import UnknownNameError
from regard.explanation.evidence import Drop

Mode = Literal["trained", "mean", "swapped", "permuted", "neutral"]
MODES: tuple[Mode, ...] = ("trained", "mean", "swapped", "permuted", "neutral")
"""The replacements of the maps.

- `trained`: nothing; the maps as they are.
- `mean`: each map frozen at its mean over the training images. A map of positions whose size no training image
  had is frozen at its mean over positions too.
- `swapped`: another image's maps, by a random derangement of the whole set, so that the order of the images does
  not matter. A map of positions is resized where the two images differ in size.
- `permuted`: the image's own maps, permuted without fixed points, by one permutation for each tap and draw: channels
  for a gate (the same in all branches), positions for a spatial map, both for a mixed one. The location of a glimpse is
  replaced by a random one.
- `neutral`: the neutral map, `Tap.neutral` (1 for a gate, an equal share for each branch, the centre for a
  glimpse).
"""

DRAWN: tuple[Mode, ...] = ("swapped", "permuted")
"""The modes with random draws, which are repeated."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The accuracy of one network with one replacement of its maps.

    Attributes:
        mode: the replacement of the maps.
        renormalised: True if the statistics of batch normalisation were recomputed.
        draws: accuracy of each draw, from 0 to 1.
        drop: the loss against the maps as trained (with the same `renormalised`), averaged over draws, with
            its 95 % interval over images; None for the maps as trained.
        lost: for each draw the number of images that got worse; empty for the maps as trained.
        gained: for each draw the number of images that got better.
    """

    mode: Mode
    renormalised: bool
    draws: tuple[float, ...]
    drop: Drop | None
    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()

    @property
    def accuracy(self) -> float:
        """The mean over draws, from 0 to 1."""
        return sum(self.draws) / len(self.draws)

    @property
    def loses(self) -> bool:
        """True if every draw loses accuracy significantly, by McNemar's exact test over images at 5 %."""
        return bool(is_shown(loss_p(self)))


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The results of `ablate`.

    Attributes:
        rows: first those without renormalisation, each in the order of `MODES`.
        images: number of evaluated images.
        training_images: number of training images that were used.
        taps: path and kind of each map that was replaced; all at once.
        seed: of the draws.
    """

    rows: tuple[Row, ...]
    images: int
    training_images: int
    taps: tuple[tuple[str, str], ...]
    seed: int

    def row(self, mode: Mode, *, renormalised: bool = False) -> Row:
        """Returns the row of a mode; for an unknown one the error lists those that were measured."""
        for row in self.rows:
            if (row.mode, row.renormalised) == (mode, renormalised):
                return row
        given = ", ".join(r.mode + ", renormalised" * r.renormalised for r in self.rows)
        asked = mode + ", renormalised" * renormalised
        raise UnknownNameError(f"The ablation has no row {asked!r}; it has: {given}.")

    @property
    def depends_on_input(self) -> bool | None:
        """True if the accuracy is shown to depend on maps that follow the image; see `core.dependence`.

        True if freezing the maps at their mean *and* swapping them between images both lose accuracy, in every draw
        by McNemar's exact test at 5 %, and also renormalised if that was measured. False means that it was not
        shown, not that it is false; None that one of the two was not measured.
        """
        return is_shown(dependence_p(self.rows))

    def verdict(self) -> str:
        """`depends_on_input` as a sentence with its numbers."""
        shown = self.depends_on_input
        if shown is None:
            return "Whether the maps must follow the image was not examined: that takes the modes mean and swapped."
        evidence = [row for row in self.rows if row.mode in EVIDENCE]
        names = {"mean": "frozen at their mean", "swapped": "taken from another image"}
        losses = "; ".join(f"{names[r.mode]}{' and renormalised' * r.renormalised} {r.drop}" for r in evidence)
        claim = "The accuracy depends" if shown else "It is not shown that the accuracy depends"
        losing = {row.mode for row in evidence if row.loses}
        hint = (
            " Another image's maps lose accuracy, but no loss is shown with maps frozen at their mean: constants may "
            "do as well."
        )
        return (
            f"{claim} on the maps following the image (points lost on {self.images:,} images, 95\u00a0% "
            f"intervals: {losses}).{hint if losing == {'swapped'} else ''}"
        )

    def to_json(self) -> dict[str, Any]:
        """Converts the record to JSON's types, with the conclusion."""
        return dataclasses.asdict(self) | {"depends_on_input": self.depends_on_input, "verdict": self.verdict()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Ablation":
        """Restores the record from the output of `to_json`."""
        lists = ("draws", "lost", "gained")
        rows = (
            row | {name: tuple(row[name]) for name in lists} | {"drop": Drop(**row["drop"]) if row["drop"] else None}
            for row in data["rows"]
        )
        return cls(
            rows=tuple(Row(**row) for row in rows),
            images=data["images"],
            training_images=data["training_images"],
            taps=tuple((path, kind) for path, kind in data["taps"]),
            seed=data["seed"],
        )

    def __str__(self) -> str:
        lines = [f"{'maps':<24}{'accuracy %':>12}   lost, points [95 %]"]
        for row in self.rows:
            name = row.mode + ", renormalised" * row.renormalised
            lines.append(f"{name:<24}{100 * row.accuracy:>12.1f}   {row.drop or ''}".rstrip())
        return "\n".join([*lines, self.verdict()])
