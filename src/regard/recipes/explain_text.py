"""`regard explain` for texts: the alignment of each symbol of an answer with the source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from regard.core.errors import RunError
from regard.core.tap import taps
from regard.core.vocabulary import BEGIN, END, PAD
from regard.data import Account, TextCode
from regard.explanation import look
from regard.recipes.text_lines import text_lines
from regard.recipes.texts import LoadedText
from regard.recipes.versions import versions
from regard.report.alignment_figure import Alignment
from regard.report.alignment_files import TextContents, save_alignments


@dataclass(frozen=True, eq=False, kw_only=True)
class TextExplanation:
    """The answer of a network to one text, with its alignments.

    Attributes:
        network: its name.
        text: as it was given.
        answer: what it wrote.
        alignments: for each map the weights of the text's symbols, a row for each symbol of the answer.
    """

    network: str
    text: str
    answer: str
    alignments: tuple[Alignment, ...]

    def save(self, folder: str | Path) -> Path:
        """Writes figures, arrays and a manifest into `folder`; see `regard.report.alignment_files`.

        Raises:
            RunError: the folder has files of these names that are no explanation's, or cannot be written to.
        """
        contents = TextContents(
            network=self.network, text=self.text, answer=self.answer, alignments=self.alignments, versions=versions()
        )
        return save_alignments(contents, Path(folder))

    def __str__(self) -> str:
        return f"{self.text} → {self.answer}"


@dataclass(frozen=True)
class ExplainedTexts:
    """Each text's explanation, the folder it is in, and what became of every text."""

    explanations: tuple[TextExplanation, ...]
    folders: tuple[Path, ...]
    account: Account

    def __str__(self) -> str:
        pairs = zip(self.explanations, self.folders, strict=True)
        lines = [f"{explanation}\n  -> {folder}" for explanation, folder in pairs]
        return "\n".join(lines + ([] if self.account.complete else [str(self.account)]))


def explain_texts(
    loaded: LoadedText,
    texts: Sequence[str],
    *,
    out: str,
    beams: int,
    on_bad: Literal["skip", "fail"],
    device: torch.device,
) -> ExplainedTexts:
    """Explains each text and saves it in a folder of its own below `out`; see `explain_images` for the arguments.

    Raises:
        RunError: a network without attention, or a folder that cannot be written to.
        DataError: there is no text that can be used.
    """
    lines, tally = text_lines("explain", texts, limit=loaded.code.limit, on_bad=on_bad)
    loaded.net.to(device)
    explanations = tuple(explain_text(loaded, line.text, beams=beams, device=device) for line in lines)
    folders: list[Path] = []
    for number, one in enumerate(explanations, 1):
        stem = re.sub(r"[^\w.-]+", "-", one.text)[:40].strip("-.") or "text"
        folders.append(one.save(Path(out) / f"{number:02d}-{stem}"))
    return ExplainedTexts(explanations, tuple(folders), tally.settle({"explained": len(explanations)}))


def explain_text(
    loaded: LoadedText, text: str, *, beams: int = 1, device: torch.device | None = None
) -> TextExplanation:
    """Finds the answer to a text, then reads it to the network once, in one pass, and keeps where it looked.

    Raises:
        RunError: the network has no attention.
    """
    if not taps(loaded.net):
        raise RunError(
            f"{loaded.path} holds {loaded.name}, a network without attention: there is nothing to show of it."
        )
    answer, alignments = align(loaded.net, loaded.code, text, beams=beams, device=device)
    return TextExplanation(network=loaded.name, text=text, answer=answer, alignments=alignments)


@torch.no_grad()
def align(
    net: nn.Module, code: TextCode, text: str, *, beams: int = 1, device: torch.device | None = None
) -> tuple[str, tuple[Alignment, ...]]:
    """Returns the answer of a network to a text, and its alignments in one pass over that answer."""
    source = torch.tensor(code.source.encode([text]), device=device)
    lengths = torch.tensor([source.shape[1]])
    found = net.answer(source, lengths, beams=beams, longest=code.longest)  # type: ignore[operator]
    answer = [n for n in found.symbols[0].tolist() if n not in (PAD, END)]
    target = torch.tensor([[BEGIN, *answer]], device=device)
    looks = look(net, (source, lengths, target), device="cpu")
    read, written = code.source.symbols(source[0].tolist()), code.target.symbols([*answer, END])
    alignments = tuple(
        Alignment(name=path, weights=looks.maps.steps(path)[0].float().numpy(), source=read, target=written)
        for path in looks.maps
    )
    return code.target.decode([answer])[0], alignments
