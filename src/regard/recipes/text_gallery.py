"""Test texts with the answers and alignments of every network of a comparison."""

from collections.abc import Sequence

from regard import report, training
from regard.core.tap import taps
from regard.recipes.arms import build_arm
from regard.recipes.explain_text import align
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.text_table import TextTable
from regard.recipes.trial import Job, open_table
from regard.report.alignment_figure import alignment_figure
from regard.training.text_scores import exact

TEXTS = 3


def show_texts(jobs: Sequence[Job]) -> tuple[report.GalleryText, ...]:
    """Returns a few test texts with the alignments of each network; nothing where images are compared.

    Args:
        jobs: finished jobs of one comparison, one for each arm.
    """
    table = open_table(jobs[0].design)
    if not isinstance(table, TextTable):
        return ()
    test = table.source.splits["test"]
    chosen = test.subset(TEXTS, seed=0)
    shown: list[report.GalleryText] = []
    for job in jobs:
        net = build_arm(job.arm, table.backbone(job.design.model), 0).eval()
        if not taps(net):
            continue
        training.restore(net, job.trial_folder / WEIGHTS)
        for text, right in zip(chosen.sources, chosen.references, strict=True):
            answer, alignments = align(net, table.code, text)
            title = f"{text} → {answer}"
            shown += [
                report.GalleryText(
                    arm=job.arm,
                    text=text,
                    answer=answer,
                    right=exact([answer], [right])[0],
                    png=alignment_figure(alignment, title),
                )
                for alignment in alignments
            ]
    return tuple(shown)
