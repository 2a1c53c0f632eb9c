"""The story of `regard evaluate`: how good a trained network is, class by class, on images it has not seen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard import training
from regard.core.files import as_bytes, write_whole
from regard.core.options import at_least, one_of
from regard.core.scores import Scores, amount
from regard.data import Account, Reading, loader, text_loader
from regard.data.source import Split
from regard.recipes.ledger import count_test_accesses, record_test_access
from regard.recipes.network import batch_size_for, load_network
from regard.recipes.sources import open_for_network, report_source
from regard.recipes.texts import BATCH, input_kind, load_text_network, open_text_for, report_pairs, text_task
from regard.training import DeviceName

if TYPE_CHECKING:
    from regard.training.tasks.by_class import ByClass


_WIDEST = 12
_EXPLAINED = {
    "balanced_accuracy": " (mean of what is found of each class)",
    "calibration_error": " (mean gap between how sure and how often right)",
}
_ADVICE = "the more often a choice is made by them, the less they tell"


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """How good a network is on one split.

    Attributes:
        weights: the network's file.
        network: its name with its attention.
        data: the source.
        split: which of its images.
        n: how many images.
        scores: of all of them.
        by_class: how each class fares; None where the task knows no classes.
        counts: images of each class.
        account: what became of every file of the source.
        test_accesses: how often networks of this run were scored on test images or texts, this time included.
        out: the file that all of it was written to, or None.
        unit: what an example is, `image` or `text`.
    """

    weights: Path
    network: str
    data: str
    split: Split
    n: int
    scores: Scores
    by_class: "ByClass | None"
    counts: tuple[int, ...]
    account: Account
    test_accesses: int
    out: Path | None = None
    unit: str = "image"

    def to_json(self) -> dict[str, Any]:
        """Everything but the answers image by image."""
        own = {"weights": str(self.weights), "network": self.network, "data": self.data, "split": self.split}
        found = {
            "n": self.n,
            "scores": self.scores.to_json(),
            "by_class": self.by_class.to_json() if self.by_class else None,
        }
        counted = {"counts": list(self.counts), "account": self.account.to_json(), "test_accesses": self.test_accesses}
        return own | counted | found

    def __rich__(self) -> RenderableType:
        """Tables and a summary."""
        parts: list[RenderableType] = [
            Text(f"{self.network} on {self.n:,} {_WORDS[self.split]}{self.unit}s of {self.data}", style="bold"),
            Text(),
        ]
        if self.by_class is not None:
            parts += [_classes(self.by_class, self.counts), Text()]
        parts.append(self._summary())
        if self.by_class is not None and self.by_class.confusion and len(self.by_class.classes) <= _WIDEST:
            parts += [Text("\nWhat images of each class (rows) were taken for (columns)"), _confusion(self.by_class)]
        if self.split == "test":
            times = "once" if self.test_accesses == 1 else f"{self.test_accesses} times"
            parts.append(Text(f"\nTest {self.unit}s were looked at {times} in this run: {_ADVICE}.", style="dim"))
        if self.out is not None:
            parts.append(Text(f"\nWritten to {self.out}", style="dim"))
        return Group(*parts)

    def _summary(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for score in self.scores:
            said = _EXPLAINED.get(score.name, "")
            if score.name == "accuracy" and self.by_class is not None and self.by_class.multi_label:
                said = " (all labels of an image)"
            grid.add_row(Text(score.title, style="bold"), Text(f"{amount(score.value, score.unit)}{said}"))
        return grid


def evaluate(
    *,
    run: str,
    data: str | None = None,
    split: Split | None = None,
    out: str | None = None,
    device: DeviceName = "auto",
    threads: int | None = None,
    workers: int = 0,
    beams: int = 1,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> Evaluated:
    """Scores a trained network: accuracy, each class, what is taken for what, and whether its confidence is right.

    An image is right if its class is the one with the largest output; where it may have several classes, if all of
    its labels are right: those with a positive output are exactly its classes. `regard ablate` counts alike.
    Of text it is the share of exact matches, errors of symbols, BLEU and chrF.
    Every look at test images or texts is written to test_ledger.jsonl beside the weights before it happens.

    Args:
        run: the folder of a training run, or a weights file.
        data: the images; those that the network was trained on the training part of, by default. All of another
            source are scored; its classes are matched by name, and it may lack some.
        split: train, val or test; choose with val (the default), and look at test when nothing is left to choose. Of
            another source all images, or one of the splits that it has of its own.
        out: a JSON file for all that is measured.
        device: where to compute.
        threads: processor threads; PyTorch's own choice by default.
        workers: processes that read images.
        beams: of the search for text; 1 takes the likeliest symbol each time.
        reading: how its images are read and divided.

    Returns:
        The scores.

    Raises:
        RegardError: there is no such run, its classes are not those of the images, or the images are bad.
    """
    one_of("evaluate", "split", split, (None, "train", "val", "test", "all"))
    at_least("evaluate", "workers", workers, 0)
    place = training.resolve_device(device)
    training.set_threads(threads)
    evaluated = (
        _score_text(run, data, split, place, at_least("evaluate", "beams", beams, 1), reading)
        if input_kind(run) == "text"
        else _score_images(run, data, split, place, workers, reading)
    )
    if out:
        evaluated = replace(evaluated, out=Path(out))
        write_whole(Path(out), as_bytes(json.dumps(evaluated.to_json(), indent=1, ensure_ascii=False)))
    return evaluated


def _score_images(
    run: str, data: str | None, split: Split | None, device: torch.device, workers: int, reading: Reading
) -> Evaluated:
    loaded = load_network(run)
    judged = open_for_network(loaded, data, reading)
    source, split = judged.source, judged.split(split)
    report_source(source)
    images = source.splits[split]
    if split == "test":
        record_test_access(loaded.path.parent, command="evaluate", what=loaded.path.name, images=len(images))
    task, classifying = loaded.task(), training.Classification | training.Glimpses
    batches = loader(images, loaded.preprocessing, batch_size=batch_size_for(loaded.preprocessing), workers=workers)
    found = training.evaluate(loaded.net, batches, task, device=device)
    return Evaluated(
        weights=loaded.path,
        network=loaded.name,
        data=source.name,
        split=split,
        n=found.n,
        scores=found.scores,
        by_class=task.by_class(found.outputs, found.batches) if isinstance(task, classifying) else None,
        counts=source.counts()[split],
        account=source.account,
        test_accesses=count_test_accesses(loaded.path.parent),
    )


def _score_text(
    run: str, data: str | None, split: Split | None, device: torch.device, beams: int, reading: Reading
) -> Evaluated:
    loaded = load_text_network(run)
    judged = open_text_for(loaded, data, split, reading)
    source, pairs = judged.source, judged.source.splits[judged.split]
    report_pairs(source)
    if judged.split == "test":
        record_test_access(loaded.path.parent, command="evaluate", what=loaded.path.name, images=len(pairs))
    batches = text_loader(pairs, loaded.code, batch_size=BATCH)
    found = training.evaluate(loaded.net, batches, text_task(loaded.code, beams=beams), device=device)
    return Evaluated(
        weights=loaded.path,
        network=loaded.name,
        data=source.name,
        split=judged.split,
        n=found.n,
        scores=found.scores,
        by_class=None,
        counts=(),
        account=source.account,
        test_accesses=count_test_accesses(loaded.path.parent),
        unit="text",
    )


_WORDS: dict[Split, str] = {"train": "training ", "val": "validation ", "test": "test ", "all": ""}


def _table(columns: Sequence[str], *, left: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _short(name: str) -> str:
    return name if len(name) <= 8 else f"{name[:7]}…"


def _classes(found: "ByClass", counts: Sequence[int]) -> RenderableType:
    several = found.multi_label
    columns = ("class", "images", "found") + (("avg. precision", "F1") if several else ("most often taken for",))
    table = _table(columns, left=("class", "most often taken for"))
    for k, name in enumerate(found.classes):
        last = (_share(found.average_precision[k]), _share(found.f1[k])) if several else (_mistake(found, k),)
        table.add_row(Text(name), f"{counts[k]:,}", _share(found.recall[k]), *map(Text, last))
    return table


def _mistake(found: "ByClass", k: int) -> str:
    """The class that images of class `k` are most often wrongly taken for."""
    row = [n if i != k else 0 for i, n in enumerate(found.confusion[k])]
    most = max(row)
    return f"{found.classes[row.index(most)]} ({most})" if most else ""


def _confusion(found: "ByClass") -> RenderableType:
    names = found.classes
    table = _table(("", *(_short(name) for name in names)), left=("",))
    for k, row in enumerate(found.confusion):
        cells = (Text(str(n) if n else "·", style="bold" if i == k else "") for i, n in enumerate(row))
        table.add_row(Text(names[k]), *cells)
    return table
