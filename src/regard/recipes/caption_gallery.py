"""Test images with the texts and maps of every network of a comparison."""

from collections.abc import Sequence

from regard import report, training
from regard.core.tap import taps
from regard.recipes.arms import build_arm
from regard.recipes.caption_table import CaptionTable
from regard.recipes.explain_caption import locate
from regard.recipes.run_folder import WEIGHTS
from regard.recipes.trial import Job, open_table
from regard.report.caption_figure import steps_figure
from regard.training.text_scores import exact

SHOWN = 3


def show_captioned(jobs: Sequence[Job]) -> tuple[report.GalleryText, ...]:
    """Returns a few test images with the text and the maps of each network; nothing where others are compared.

    Args:
        jobs: finished jobs of one comparison, one for each arm.
    """
    table = open_table(jobs[0].design)
    if not isinstance(table, CaptionTable):
        return ()
    chosen = table.source.splits["test"].subset(SHOWN, seed=0)
    prepare, restore = table.code.preprocessing.eval(), table.code.preprocessing.restore
    shown: list[report.GalleryText] = []
    for job in jobs:
        net = build_arm(job.arm, table.backbone(job.design.model), 0).eval()
        if not taps(net):
            continue
        training.restore(net, job.trial_folder / WEIGHTS)
        for number, right in enumerate(chosen.references):
            image, name = prepare(chosen.images.read(number)), chosen.images.names(number)
            answer, maps = locate(net, table.code, image)
            shown += [
                report.GalleryText(
                    arm=job.arm,
                    text=name,
                    answer=answer,
                    right=exact([answer], [right])[0],
                    png=steps_figure(steps, restore(image), f"{name} → {answer}"),
                )
                for steps in maps
            ]
    return tuple(shown)
