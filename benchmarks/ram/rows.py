"""The rows of the table: a run file each, beside this file, and what was published for it."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: of its run file.
        task: the images.
        network: what is trained on them.
        published: test error in per cent, in both published tables; empty where there is none.
    """

    name: str
    task: str
    network: str
    published: tuple[float, ...] = ()

    @property
    def run_file(self) -> Path:
        """The settings of its training run."""
        return HERE / f"{self.name}.yaml"


DIGITS, MOVED, AMONG_CLUTTER = "MNIST, 28 x 28", "translated, 60 x 60", "cluttered, 60 x 60"
LOOKS = "RAM, 6 glimpses of 12 x 12, 3 scales"

ROWS = {
    row.name: row
    for row in (
        Row("mnist", DIGITS, "RAM, 6 glimpses of 8 x 8, 1 scale", (1.29, 1.12)),
        Row("mnist-detached", DIGITS, "the same, `detach_location=true`"),
        Row("translated", MOVED, LOOKS, (1.86, 1.22)),
        Row("cluttered", AMONG_CLUTTER, LOOKS, (5.88, 4.08)),
        Row("cluttered-random", AMONG_CLUTTER, "the same, glimpses at random positions"),
        Row("cluttered-context", AMONG_CLUTTER, "the same, first position from a context network"),
        Row("cluttered-cnn", AMONG_CLUTTER, "a small CNN of equal multiply-adds"),
        Row("cluttered-cnn-stn", AMONG_CLUTTER, "a small CNN behind `stn`, of equal multiply-adds"),
    )
}
