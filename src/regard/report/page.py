"""The report: one self-contained HTML file without scripts or network requests."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regard.core.files import as_bytes, write_whole
from regard.report import contents, figures, map_figures, wording
from regard.report.contents import ArmMaps
from regard.report.gallery import GalleryImage, GalleryText
from regard.report.numerals import count, join_words, percent, plural
from regard.report.results import Results
from regard.report.thumbnails import thumbnails


def write_page(
    results: Results, images: Sequence[GalleryImage], path: Path | str, texts: Sequence[GalleryText] = ()
) -> Path:
    """Writes the report of a comparison as one self-contained HTML file.

    Args:
        results: the results of the comparison.
        images: test images with each network's predictions and maps; about eight, may be none.
        path: the file, for example `runs/NAME/report.html`.
        texts: test texts with the alignments of each network.

    Returns:
        The path.

    Raises:
        RunError: the file could not be written; an earlier one is untouched.
    """
    return write_whole(Path(path), as_bytes(render(results, images, texts)))


def render(results: Results, images: Sequence[GalleryImage] = (), texts: Sequence[GalleryText] = ()) -> str:
    """The report's HTML; see `write_page`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        loader=PackageLoader("regard.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, count=count, plural=plural, drawn=Markup)
    environment.filters["breakable"] = lambda path: escape(path).replace(".", Markup(".<wbr>"))
    environment.filters["command"] = _break_between_words
    return environment.get_template("page.html.jinja").render(
        _template_values(results, images) | {"texts": texts, "alignments": _alignments(texts)}
    )


def _break_between_words(command: str) -> str:
    """A command as HTML that breaks only between words that are short enough for a phone."""
    from markupsafe import Markup

    token = Markup('<span class="token">{}</span>')
    return Markup(" ").join(token.format(word) if len(word) <= 34 else word for word in command.split(" "))


def _template_values(results: Results, images: Sequence[GalleryImage]) -> dict[str, Any]:
    """The values that the template uses, by section."""
    arm_maps = contents.arm_maps(results, images)
    split, recall_arms, recall_rows = contents.recalls(results)
    modes, ablation_rows, dependences = contents.ablation_table(results)
    return {
        "settings": results.settings,
        "labels": figures.arm_labels(results),
        "need": wording.need(results),
        "opening": wording.opening(results),
        "statistics_notes": wording.statistics_notes(results),
        "score": contents.score_headings(results),
        "groups": contents.result_groups(results),
        "controls": contents.against_controls(results),
        "differences": figures.paired_differences(results),
        "costs": figures.score_against_cost(results),
        "curves": figures.training_curves(results),
        "recall": {"split": split, "arms": recall_arms, "rows": recall_rows},
        "images": images,
        "arm_maps": arm_maps,
        "uris": thumbnails(_shown_images(images, arm_maps)),
        "gates": _gate_sections(results),
        "ablation": {"modes": modes, "rows": ablation_rows, "sentences": dependences, "texts": wording.MODE_TEXTS},
        "ablation_panels": map_figures.ablation_panels(results),
        "ablation_seeds": join_words([str(seed) for seed in sorted({row.seed for row in results.ablations})]),
        "ablation_images": max((row.n for row in results.ablations), default=0),
        "choices": results.choices,
        "test_accesses": wording.access_sentence(results),
        "facts": contents.facts(results),
    }


def _shown_images(images: Sequence[GalleryImage], arm_maps: Sequence[ArmMaps]) -> list[bytes]:
    """Every image as often as the page shows it: once, and once more above each arm's maps."""
    originals = [p.png for p in images] * (1 + sum(bool(s.maps) for s in arm_maps))
    return originals + [o.png for p in images for o in p.overlays]


def _gate_sections(results: Results) -> list[dict[str, Any]]:
    labels = figures.arm_labels(results)
    found = []
    for arm, shown in map_figures.shown_profiles(results).items():
        layers = len({p.tap for p in results.gate_profiles if p.arm == arm})
        panels = map_figures.gate_panels(results, arm)
        found.append({"label": labels[arm], "panels": panels, "shown": len(shown), "layers": layers})
    return found


def _alignments(texts: Sequence[GalleryText]) -> dict[bytes, str]:
    """Figures of alignments as data URIs, in full size so that their symbols can be read."""
    return {text.png: f"data:image/png;base64,{base64.b64encode(text.png).decode()}" for text in texts}
