"""`regard ablate`: test if a trained network needs its attention maps, and needs them to follow the image."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from regard import explanation, models, training
from regard.core.dependence import EVIDENCE
from regard.core.files import as_bytes, write_whole
from regard.core.options import at_least, one_of
from regard.data import Images, Reading, loader
from regard.explanation import MODES, Ablation, Mode, Row
from regard.explanation.ablation import Renormalise
from regard.explanation.paths import find_taps
from regard.explanation.verdict import DRAWN
from regard.recipes.console import console
from regard.recipes.insertion import show_own_attention
from regard.recipes.network import batch_size_for, load_network
from regard.recipes.sources import open_for_network, report_source
from regard.recipes.versions import versions
from regard.training import DeviceName
from regard.training.tasks import judged_by

FILE = "ablation.json"
FLAGS: dict[str, Renormalise] = {"no": False, "yes": True, "both": "both"}

MEANINGS: dict[Mode, str] = {
    "trained": "as trained",
    "mean": "frozen at their mean",
    "swapped": "from another image",
    "permuted": "in another order",
    "neutral": "neutral (no effect)",
}


@dataclass(frozen=True, kw_only=True)
class Ablated:
    """The scores of a network whose maps are replaced.

    Attributes:
        network: its name with its attention.
        weights: its file.
        data: the source of the images.
        ablation: the scores with each replacement.
        path: the JSON file that it was written to.
    """

    network: str
    weights: Path
    data: str
    ablation: Ablation
    path: Path

    def to_json(self) -> dict[str, Any]:
        """Returns everything, with the versions of the packages that made it."""
        own = {"network": self.network, "weights": str(self.weights), "data": self.data, "split": "val"}
        return own | self.ablation.to_json() | {"versions": versions()}

    def __rich__(self) -> RenderableType:
        """Returns a table and the conclusion."""
        found = self.ablation
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("maps")
        for column in ("right", "points lost", "95 % interval", "lowest to highest draw"):
            table.add_column(column, justify="right")
        for row in found.rows:
            if row.renormalised and row.mode == "trained":
                table.add_row()
                table.add_row(Text("normalisation recomputed", style="dim"))
            table.add_row(*_cells(row))
        kinds = ", ".join(dict.fromkeys(kind for _, kind in found.taps))
        taps = "at one tap" if len(found.taps) == 1 else f"at {len(found.taps)} taps at once"
        title = f"{self.network} on {found.images:,} validation images of {self.data}"
        return Group(
            Text(title, style="bold"),
            Text(f"maps ({kinds}) replaced {taps}\n", style="dim"),
            table,
            Text(f"\n{found.verdict()}"),
            Text(f"Written to {self.path}", style="dim"),
        )


def ablate(
    run: str,
    *,
    data: str | None = None,
    images: int | None = None,
    training_images: int | None = 2000,
    draws: int = 5,
    renormalise: Literal["no", "yes", "both"] = "both",
    taps: Sequence[str] = (),
    seed: int = 0,
    out: str | None = None,
    device: DeviceName = "auto",
    threads: int | None = None,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> Ablated:
    """Scores a trained network with its attention maps frozen, swapped between images, shuffled and neutral.

    Scores are of validation images; means and normalisation statistics are of training images. Test images are not
    used. A prediction is correct as for `regard evaluate`: of an image with several classes, all labels must be right.
    The conclusion is about this network alone: the maps depend on the image if both frozen and swapped maps lose
    significantly in every draw (McNemar's exact test at 5 %), as in the report of a comparison.

    Args:
        run: the folder of a training run or of a comparison's trial, or a weights file.
        data: source of the images; by default the one that the network was trained on.
        images: number of validation images, a stratified sample; all by default.
        training_images: number of training images for means and normalisation statistics; `none` for all.
        draws: number of times that maps are swapped and shuffled.
        renormalise: recompute the statistics of batch normalisation with the maps replaced, which shows how much of a
            loss is due to scale alone: `no`, `yes`, or `both` ways.
        taps: maps to replace, by their paths, the modules that hold them (layer1) or patterns; all by default.
        seed: random seed of the samples, swaps and orders.
        out: JSON file to write; ablation.json beside the weights by default.
        device: device to compute on.
        threads: number of CPU threads; PyTorch's default if not given.

    Returns:
        The accuracies, the losses, and the conclusion whether the maps depend on the input.

    Raises:
        RegardError: there is no such run, it has no attention, or its classes differ from those of the images.
    """
    one_of("ablate", "renormalise", renormalise, FLAGS)
    torch_device = training.resolve_device(device)
    training.set_threads(threads)
    loaded = load_network(run)
    show_own_attention(loaded.net)
    paths = tuple(find_taps(loaded.net, tuple(taps) or models.image_taps(loaded.net)))
    judged = open_for_network(loaded, data, reading)
    source = judged.source
    report_source(source)
    splits = source.splits
    val = splits["val" if "val" in splits else "all"]
    train = splits["train" if "train" in splits else "all"]
    chosen = (
        _sample(val, images, "images", seed),
        _sample(train, training_images, "training_images", seed),
    )
    loaded.net.to(torch_device)
    with _show_progress(draws, FLAGS[renormalise]) as announce:
        found = explanation.ablate(
            loaded.net,
            *(loader(p, loaded.preprocessing, batch_size=batch_size_for(loaded.preprocessing)) for p in chosen),
            draws=draws,
            renormalise=FLAGS[renormalise],
            seed=seed,
            paths=paths,
            right=judged_by(loaded.task()),
            announce=announce,
        )
    path = Path(out) if out else loaded.path.parent / FILE
    ablated = Ablated(network=loaded.name, weights=loaded.path, data=source.name, ablation=found, path=path)
    write_whole(path, as_bytes(json.dumps(ablated.to_json(), indent=1, ensure_ascii=False)) + b"\n")
    return ablated


def _sample(images: Images, count: int | None, option: str, seed: int) -> Images:
    if count is None or at_least("ablate", option, count, 2) >= len(images):
        return images
    return images.subset(count, seed)


@contextmanager
def _show_progress(draws: int, renormalise: Renormalise) -> Iterator[Callable[[str], None]]:
    """Shows a progress bar of the passes over the evaluated images."""
    rounds = 2 if renormalise == "both" else 1
    total = 1 + 1 + rounds * (len(MODES) - len(DRAWN) - 1 + len(DRAWN) * draws) + (renormalise is not False)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, completed=-1)

        def announce(text: str) -> None:
            progress.update(task, description=text, advance=1)

        yield announce


def _cells(row: Row) -> tuple[RenderableType, ...]:
    """Returns a row of the table; the rows that the conclusion rests on are bold."""
    style = "bold" if row.mode in ("trained", *EVIDENCE) else ""
    name = Text(("  " if row.renormalised else "") + MEANINGS[row.mode], style=style)
    accuracy = Text(f"{100 * row.accuracy:.1f} %", style=style)
    if row.drop is None:
        return name, accuracy, "", "", ""
    spread = f"{100 * min(row.draws):.1f} to {100 * max(row.draws):.1f} %" if len(row.draws) > 1 else ""
    return name, accuracy, f"{row.drop.points:.1f}", f"{row.drop.low:.1f} to {row.drop.high:.1f}", spread
