"""`regard predict` for texts: the answer to each."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Literal

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor

from regard.core.files import write_whole
from regard.core.vocabulary import UNKNOWN
from regard.data import Account
from regard.data.text_loading import Ragged
from regard.recipes.text_lines import TextLine, text_lines
from regard.recipes.texts import BATCH, LoadedText, unknown_symbols


@dataclass(frozen=True)
class TextAnswer:
    """The answer of a network to one text.

    Attributes:
        text: as it was given.
        answer: the text that was written.
        score: the mean probability of the answer's symbols, a geometric mean.
    """

    text: str
    answer: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The answers of a network to texts.

    Attributes:
        network: its name with its attention.
        answers: one for each text that could be used, in their order.
        account: what became of every text.
        out: the TSV file that they were written to, or None.
    """

    network: str
    answers: tuple[TextAnswer, ...]
    account: Account
    out: Path | None = None

    def __rich__(self) -> RenderableType:
        """A row for each text."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for one in self.answers:
            table.add_row(Text(one.text), Text(one.answer, style="bold"), Text(f"{100 * one.score:.1f} %", style="dim"))
        parts: list[RenderableType] = [table]
        if not self.account.complete:
            parts += [Text(line, style="yellow") for line in ("", *self.account.lines())]
        if self.out is not None:
            parts.append(Text(f"Written to {self.out}", style="dim"))
        return Group(*parts)

    def to_tsv(self) -> str:
        """A line for each text: text, answer, score."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(("text", "answer", "score"))
        writer.writerows((one.text, one.answer, f"{one.score:.6f}") for one in self.answers)
        return text.getvalue()


def answer_texts(
    loaded: LoadedText,
    texts: Sequence[str],
    *,
    beams: int,
    on_bad: Literal["skip", "fail"],
    out: str | None,
    device: torch.device,
) -> Answered:
    """The answer to each text; see `predict` for the arguments.

    Raises:
        DataError: there is no text that can be used.
    """
    lines, tally = text_lines("predict", texts, limit=loaded.code.limit, on_bad=on_bad)
    answers = find_answers(loaded, lines, beams=beams, device=device)
    made = Answered(
        network=loaded.name,
        answers=answers,
        account=tally.settle({"answered": len(answers)}),
        out=Path(out) if out else None,
    )
    if made.out is not None:
        write_whole(made.out, made.to_tsv().encode())
    return made


def find_answers(
    loaded: LoadedText, lines: Sequence[TextLine], *, beams: int, device: torch.device
) -> tuple[TextAnswer, ...]:
    """The answers in the order of the texts; texts of like lengths run through the network together."""
    encoded = Ragged(loaded.code.source.encode([line.text for line in lines]))
    unknown_symbols(encoded.rows_with(UNKNOWN), len(lines))
    found: dict[int, TextAnswer] = {}
    loaded.net.to(device)
    for rows in encoded.lengths.argsort(stable=True).split(BATCH):
        answer = _search(loaded, encoded.pad(rows).to(device), encoded.lengths[rows], beams)
        written = loaded.code.target.decode(answer[0].tolist())
        for row, text, score in zip(rows.tolist(), written, answer[1].tolist(), strict=True):
            found[row] = TextAnswer(lines[row].text, text, exp(score))
    return tuple(found[row] for row in range(len(lines)))


@torch.no_grad()
def _search(loaded: LoadedText, source: Tensor, lengths: Tensor, beams: int) -> tuple[Tensor, Tensor]:
    found = loaded.net.answer(source, lengths, beams=beams, longest=loaded.code.longest)  # type: ignore[operator]
    return found.symbols.cpu(), found.scores.cpu()
