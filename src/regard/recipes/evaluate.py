"""`regard evaluate`: score a trained network, class by class, on images that it was not trained on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard import cost, training
from regard.core.files import as_bytes, write_whole
from regard.core.options import at_least, one_of
from regard.core.scores import Scores, amount
from regard.data import Account, Reading, caption_loader, clip_loader, loader, text_loader
from regard.data.source import Split
from regard.recipes.captioning import caption_task, load_captioner, open_captions_for
from regard.recipes.clips import (
    CLIP_MODELS,
    clips_at_once,
    load_clip_network,
    open_clips_for,
    report_timed,
    timed_task,
)
from regard.recipes.closed_channels import ClosedChannels, GateWatch, watch_gates
from regard.recipes.glimpse_statistics import GlimpseStatistics, watch_glimpses
from regard.recipes.kinds import kind_of_run
from regard.recipes.ledger import count_test_accesses, record_test_access
from regard.recipes.network import Loaded, batch_size_for, load_network
from regard.recipes.sources import open_for_network, report_source
from regard.recipes.texts import BATCH, load_text_network, open_text_for, report_pairs, text_task
from regard.training import DeviceName

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from regard.data import CaptionSource, ClipSource, TextSource
    from regard.recipes.captioning import LoadedCaptioner
    from regard.recipes.clips import LoadedClips
    from regard.recipes.texts import LoadedText
    from regard.training.tasks.by_class import ByClass


_WIDEST = 12
_EXPLAINED = {
    "balanced_accuracy": " (mean recall of the classes)",
    "calibration_error": " (mean gap between confidence and accuracy)",
}
_GLIMPSES = "Where it looks, mean ± standard deviation over the images, and how far it moved; the image is from -1 to 1"
_ADVICE = "every choice that is based on them makes their scores more optimistic"


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The scores of a network on one split.

    Attributes:
        weights: path of the weights file.
        network: name of the network with its attention.
        data: name of the source.
        split: the split that was scored.
        n: number of images, clips, sounds or texts.
        scores: scores over all of them.
        by_class: scores of each class; None if the task has no classes.
        counts: number of images of each class.
        account: which files of the source were read, and which left out.
        test_accesses: number of times that networks of this run were scored on the test split, this time included.
        glimpses: statistics of each glimpse; None for a network without a glimpse sensor.
        closed: open and closed channels; None for a network without gates that open and close channels.
        out: the JSON file that was written, or None.
        unit: what an example is, `image`, `clip`, `sound` or `text`.
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
    glimpses: GlimpseStatistics | None = None
    closed: ClosedChannels | None = None
    out: Path | None = None
    unit: str = "image"

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the predictions of single images."""
        own = {"weights": str(self.weights), "network": self.network, "data": self.data, "split": self.split}
        found = {
            "n": self.n,
            "scores": self.scores.to_json(),
            "by_class": self.by_class.to_json() if self.by_class else None,
        }
        counted = {"counts": list(self.counts), "account": self.account.to_json(), "test_accesses": self.test_accesses}
        hard = {
            "glimpses": self.glimpses.to_json() if self.glimpses else None,
            "closed_channels": self.closed.to_json() if self.closed else None,
        }
        return own | counted | found | hard

    def __rich__(self) -> RenderableType:
        """Returns tables and a summary."""
        parts: list[RenderableType] = [
            Text(f"{self.network} on {self.n:,} {_WORDS[self.split]}{self.unit}s of {self.data}", style="bold"),
            Text(),
        ]
        if self.by_class is not None:
            parts += [_classes(self.by_class, self.counts, self.unit), Text()]
        parts.append(self._summary())
        if self.by_class is not None and self.by_class.confusion and len(self.by_class.classes) <= _WIDEST:
            parts += [
                Text("\nConfusion matrix (rows: true, columns: predicted class)"),
                _confusion(self.by_class),
            ]
        if self.glimpses is not None:
            parts += [Text(f"\n{_GLIMPSES}"), self.glimpses]
        if self.closed is not None:
            parts += [Text(), self.closed.table(), Text(str(self.closed))]
        if self.split == "test":
            times = "once" if self.test_accesses == 1 else f"{self.test_accesses} times"
            parts.append(Text(f"\nTest {self.unit}s were scored {times} in this run: {_ADVICE}.", style="dim"))
        if self.out is not None:
            parts.append(Text(f"\nWritten to {self.out}", style="dim"))
        return Group(*parts)

    def _summary(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for score in self.scores:
            remark = _EXPLAINED.get(score.name, "")
            if score.name == "accuracy" and self.by_class is not None and self.by_class.multi_label:
                remark = " (all labels of an image)"
            grid.add_row(Text(score.title, style="bold"), Text(f"{amount(score.value, score.unit)}{remark}"))
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
    """Scores a trained network: accuracy, scores of each class, confusion matrix and calibration.

    A prediction is correct if the class with the largest output is the image's class. If images may have several
    classes, all labels must be correct: the classes with a positive output are exactly the image's. `regard ablate`
    counts in the same way. Texts are scored by exact match, errors of symbols, BLEU and chrF. Every use of the test
    images or texts is recorded in test_ledger.jsonl beside the weights.

    Args:
        run: folder of a training run, or a weights file.
        data: source of the images; by default the one that the network was trained on. Classes of another source are
            matched by name; some may be missing.
        split: split to score. Select models with val (the default); use test only when nothing is left to choose. Of
            another source all images are scored, or one of its own splits.
        out: JSON file to write all scores to.
        device: device to compute on.
        threads: number of CPU threads; PyTorch's default if not given.
        workers: number of processes that read images.
        beams: beams of the search for a text; 1 takes the likeliest symbol each time.
        reading: how the images are read and split.

    Returns:
        The scores.

    Raises:
        RegardError: there is no such run, its classes differ from those of the images, or the images cannot be used.
    """
    one_of("evaluate", "split", split, (None, "train", "val", "test", "all"))
    at_least("evaluate", "workers", workers, 0)
    torch_device = training.resolve_device(device)
    training.set_threads(threads)
    at_least("evaluate", "beams", beams, 1)
    kind = kind_of_run(run)
    if kind == "text":
        evaluated = _score_text(run, data, split, torch_device, beams, reading)
    elif kind == "caption":
        evaluated = _score_captions(run, data, split, torch_device, workers, beams, reading)
    elif kind in CLIP_MODELS:
        evaluated = _score_clips(run, data, split, torch_device, workers, reading)
    else:
        evaluated = _score_images(run, data, split, torch_device, workers, reading)
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
    with watch_glimpses(loaded.net) as glimpses, watch_gates(loaded.net) as gates:
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
        glimpses=glimpses.statistics([batch.labels for batch in found.batches]) if glimpses else None,
        closed=_closed(loaded, gates) if gates else None,
    )


def _score_text(
    run: str, data: str | None, split: Split | None, device: torch.device, beams: int, reading: Reading
) -> Evaluated:
    loaded = load_text_network(run)
    judged = open_text_for(loaded, data, split, reading)
    report_pairs(judged.source)
    pairs = judged.source.splits[judged.split]
    batches = text_loader(pairs, loaded.code, batch_size=BATCH)
    task = text_task(loaded.code, beams=beams)
    return _score(loaded, judged.source, judged.split, batches, task, device, unit="text")


def _score_captions(
    run: str, data: str | None, split: Split | None, device: torch.device, workers: int, beams: int, reading: Reading
) -> Evaluated:
    loaded = load_captioner(run)
    judged = open_captions_for(loaded, data, split, reading)
    report_pairs(judged.source)
    captions, size = judged.source.splits[judged.split], batch_size_for(loaded.code.preprocessing)
    batches = caption_loader(captions, loaded.code, batch_size=size, workers=workers)
    task = caption_task(loaded.code, beams=beams)
    return _score(loaded, judged.source, judged.split, batches, task, device, unit="image")


def _score_clips(
    run: str, data: str | None, split: Split | None, device: torch.device, workers: int, reading: Reading
) -> Evaluated:
    loaded = load_clip_network(run)
    judged = open_clips_for(loaded, data, split, reading)
    source, clips = judged.source, judged.clips
    report_timed(source)
    at_once = clips_at_once(clips, loaded.preprocessing)
    batches = clip_loader(clips, loaded.preprocessing, batch_size=at_once, workers=workers)
    task = timed_task(source)
    found = _score(loaded, source, judged.split, batches, task, device, unit=loaded.unit)
    return replace(found, counts=source.counts()[judged.split])


def _score(
    loaded: "LoadedText | LoadedCaptioner | LoadedClips",
    source: "TextSource | CaptionSource | ClipSource",
    split: Split,
    batches: "DataLoader[Any]",
    task: Any,
    device: torch.device,
    *,
    unit: str,
) -> Evaluated:
    """Scores a network that takes no images with classes, by all batches of a split."""
    if split == "test":
        examples = len(source.splits[split])
        record_test_access(loaded.path.parent, command="evaluate", what=loaded.path.name, images=examples)
    found = training.evaluate(loaded.net, batches, task, device=device)
    classifying = isinstance(task, training.Classification)
    return Evaluated(
        weights=loaded.path,
        network=loaded.name,
        data=source.name,
        split=split,
        n=found.n,
        scores=found.scores,
        by_class=task.by_class(found.outputs, found.batches) if classifying else None,
        counts=(),
        account=source.account,
        test_accesses=count_test_accesses(loaded.path.parent),
        unit=unit,
    )


def _closed(loaded: Loaded, gates: Sequence[GateWatch]) -> ClosedChannels:
    image = torch.zeros(1, loaded.preprocessing.channels, *loaded.preprocessing.size)
    return ClosedChannels(tuple(gate.use() for gate in gates), cost.macs(loaded.net, image))


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


def _classes(found: "ByClass", counts: Sequence[int], unit: str) -> RenderableType:
    several = found.multi_label
    columns = ("class", f"{unit}s", "recall") + (("avg. precision", "F1") if several else ("most often confused with",))
    table = _table(columns, left=("class", "most often confused with"))
    for k, name in enumerate(found.classes):
        last = (_share(found.average_precision[k]), _share(found.f1[k])) if several else (_mistake(found, k),)
        table.add_row(Text(name), f"{counts[k]:,}", _share(found.recall[k]), *map(Text, last))
    return table


def _mistake(found: "ByClass", k: int) -> str:
    """Returns the wrong class that images of class `k` are most often classified as."""
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
