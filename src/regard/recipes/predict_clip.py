"""`regard predict` for clips and sounds: the most likely classes of each."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from regard.core.errors import OptionError
from regard.core.files import write_whole
from regard.data import Account, Clips, Reading, clip_loader, open_clips_to_predict
from regard.data.account import printable
from regard.recipes.clips import LoadedClips, clips_at_once, open_clips_for
from regard.recipes.console import say

_ARRAYS = (".npz", ".pt", ".pth")


@dataclass(frozen=True)
class ClipPrediction:
    """The prediction of a network for one clip or sound.

    Attributes:
        clip: its name in its source.
        classes: the most likely classes with their probabilities, the most likely first.
    """

    clip: str
    classes: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class PredictedClips:
    """The predictions of a network for clips or sounds.

    Attributes:
        network: its name with its attention.
        unit: `clip` or `sound`.
        predictions: one for each that could be read.
        account: what became of every file.
        out: the CSV file that was written, or None.
    """

    network: str
    unit: str
    predictions: tuple[ClipPrediction, ...]
    account: Account
    out: Path | None = None

    def __rich__(self) -> RenderableType:
        """Returns a table with a row for each clip."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for prediction in self.predictions:
            named = (f"{name} {100 * p:.1f} %" for name, p in prediction.classes)
            first, *rest = (Text(text, style="bold" if n == 0 else "") for n, text in enumerate(named))
            table.add_row(Text(printable(prediction.clip)), first, *rest)
        parts: list[RenderableType] = [table]
        if not self.account.complete:
            parts += [Text(line, style="yellow") for line in ("", *self.account.lines())]
        if self.out is not None:
            parts.append(Text(f"Written to {self.out}", style="dim"))
        return Group(*parts)

    def to_csv(self) -> str:
        """Returns a CSV row for each clip and class: clip or sound, rank, class, probability."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow((self.unit, "rank", "class", "probability"))
        for prediction in self.predictions:
            for rank, (name, p) in enumerate(prediction.classes, 1):
                writer.writerow((printable(prediction.clip), rank, name, f"{p:.6f}"))
        return text.getvalue()


def predict_clips(
    loaded: LoadedClips,
    sources: Sequence[str],
    *,
    top: int,
    on_bad: Literal["skip", "fail"],
    out: str | None,
    device: torch.device,
) -> PredictedClips:
    """The most likely classes of the clips or sounds of a source; see `predict` for the arguments.

    Raises:
        OptionError: not one source is named.
        DataError: it cannot be used.
    """
    clips, account = clips_of(loaded, sources, command="predict", on_bad=on_bad)
    found: list[ClipPrediction] = []
    loaded.net.to(device)
    batches = clip_loader(clips, loaded.preprocessing, batch_size=clips_at_once(clips, loaded.preprocessing))
    with torch.no_grad():
        for batch in batches:
            logits = loaded.net(*(given.to(device) for given in batch.network_inputs()))
            best = logits.float().cpu().softmax(1).topk(min(top, len(loaded.classes)), dim=1)
            rows = zip(batch.indices.tolist(), best.values.tolist(), best.indices.tolist(), strict=True)
            for index, values, chosen in rows:
                classes = tuple((loaded.classes[k], p) for k, p in zip(chosen, values, strict=True))
                found.append(ClipPrediction(clips.names(index), classes))
    made = PredictedClips(
        network=loaded.name,
        unit=loaded.unit,
        predictions=tuple(found),
        account=account,
        out=Path(out) if out else None,
    )
    if made.out is not None:
        write_whole(made.out, made.to_csv().encode())
    return made


def clips_of(
    loaded: LoadedClips, sources: Sequence[str], *, command: str, on_bad: Literal["skip", "fail"]
) -> tuple[Clips, Account]:
    """The clips or sounds that a command names, and the account of their files.

    Args:
        loaded: the network.
        sources: one source with classes, `clips:PATH` or `sound:PATH`, or an array; or files and folders of any kind.
        command: its name, for errors.
        on_bad: leave out what cannot be used, or stop.

    Raises:
        OptionError: a source beside others.
        DataError: nothing that can be used.
    """
    scheme = "clips" if loaded.unit == "clip" else loaded.unit
    arrays = [text for text in sources if text.startswith(f"{scheme}:") or text.lower().endswith(_ARRAYS)]
    if sources and not arrays:
        return open_clips_to_predict(sources, loaded.preprocessing, on_bad=on_bad)
    if len(sources) != 1:
        raise OptionError(
            f"{command}: {loaded.path} takes {loaded.unit}s: name files and folders of them, or one source, "
            f"{scheme}:PATH, and not {len(sources)} with one among them."
        )
    (name,) = sources
    name = name if name.startswith(f"{scheme}:") else f"{scheme}:{name}"
    known = loaded.record.data.name if loaded.record.data else None
    # Of the network's own source, those that it was neither trained on nor chosen by are for `evaluate` alone.
    judged = open_clips_for(loaded, name, "val" if name == known else "all", Reading(on_bad=on_bad))
    if name == known:
        count = f"{len(judged.clips):,} validation {loaded.unit}s"
        say(f"{name} is what the network was trained on: only its {count} are used.")
    return judged.clips, judged.source.account
