"""The report: one HTML file that holds everything, asks no network and runs no script."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regard.core.files import as_bytes, write_whole
from regard.report import contents, figures, map_figures, wording
from regard.report.contents import Sight
from regard.report.gallery import GalleryImage
from regard.report.numerals import count, listed, percent, plural
from regard.report.results import Results
from regard.report.thumbnails import thumbnails


def write_page(results: Results, images: Sequence[GalleryImage], path: Path | str) -> Path:
    """Writes the report of a comparison as one self-contained HTML file.

    Args:
        results: what the comparison found.
        images: test images with what each network saw in them; about eight, may be none.
        path: the file, for example `runs/NAME/report.html`.

    Returns:
        The path.

    Raises:
        RunError: the file could not be written; one that was there before is untouched.
    """
    return write_whole(Path(path), as_bytes(render(results, images)))


def render(results: Results, images: Sequence[GalleryImage] = ()) -> str:
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
    environment.filters["command"] = _unbroken
    return environment.get_template("page.html.jinja").render(_parts(results, images))


def _unbroken(command: str) -> str:
    """A command as HTML that breaks between its words only, where they are short enough for a phone."""
    from markupsafe import Markup

    token = Markup('<span class="token">{}</span>')
    return Markup(" ").join(token.format(word) if len(word) <= 34 else word for word in command.split(" "))


def _parts(results: Results, images: Sequence[GalleryImage]) -> dict[str, Any]:
    """What the template names, by section."""
    sights = contents.sights(results, images)
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
        "sights": sights,
        "uris": thumbnails(_shown(images, sights)),
        "gates": _gates(results),
        "ablation": {"modes": modes, "rows": ablation_rows, "said": dependences, "texts": wording.MODE_TEXTS},
        "ablation_panels": map_figures.ablation_panels(results),
        "ablation_seeds": listed([str(seed) for seed in sorted({row.seed for row in results.ablations})]),
        "ablation_images": max((row.n for row in results.ablations), default=0),
        "choices": results.choices,
        "looks": wording.looks_sentence(results),
        "facts": contents.facts(results),
    }


def _shown(images: Sequence[GalleryImage], sights: Sequence[Sight]) -> list[bytes]:
    """Every image as often as the page shows it: each image once, and once more above each arm's maps."""
    originals = [p.png for p in images] * (1 + sum(bool(s.maps) for s in sights))
    return originals + [o.png for p in images for o in p.overlays]


def _gates(results: Results) -> list[dict[str, Any]]:
    labels = figures.arm_labels(results)
    found = []
    for arm, shown in map_figures.shown_profiles(results).items():
        layers = len({p.tap for p in results.gate_profiles if p.arm == arm})
        panels = map_figures.gate_panels(results, arm)
        found.append({"label": labels[arm], "panels": panels, "shown": len(shown), "layers": layers})
    return found
