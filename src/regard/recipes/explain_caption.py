"""`regard explain` for a network that writes about images: where it looked for each symbol."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from regard.core.devices import device_of
from regard.core.errors import DataError, RunError
from regard.core.tap import taps
from regard.core.vocabulary import BEGIN, END, PAD
from regard.data import PIXEL_LIMIT, Account, CaptionCode
from regard.data.account import printable
from regard.explanation import look
from regard.recipes.caption_maps import step_maps
from regard.recipes.captioning import LoadedCaptioner
from regard.recipes.image_files import image_files, warn_of_unlike
from regard.recipes.predict_caption import read_images
from regard.recipes.versions import versions
from regard.report.caption_figure import StepMaps
from regard.report.caption_files import CaptionContents, save_captions


@dataclass(frozen=True, eq=False, kw_only=True)
class CaptionExplanation:
    """The text of a network about one image, with a map for each symbol.

    Attributes:
        network: its name.
        source: the image's file.
        image: (c, h, w) uint8, as the network saw it.
        answer: what it wrote.
        maps: for each tap the weights of the positions, a map for each symbol, the end included.
    """

    network: str
    source: str
    image: Tensor
    answer: str
    maps: tuple[StepMaps, ...]

    def save(self, folder: str | Path) -> Path:
        """Writes figures, arrays and a manifest into `folder`; see `regard.report.caption_files`.

        Raises:
            RunError: the folder has files of these names that are no explanation's, or cannot be written to.
        """
        contents = CaptionContents(
            network=self.network, source=self.source, image=self.image, answer=self.answer, maps=self.maps,
            versions=versions(),
        )  # fmt: skip
        return save_captions(contents, Path(folder))

    def __str__(self) -> str:
        return f"{self.source} → {self.answer}"


@dataclass(frozen=True)
class ExplainedCaptions:
    """Each image's explanation, the folder it is in, and what became of every file."""

    explanations: tuple[CaptionExplanation, ...]
    folders: tuple[Path, ...]
    account: Account

    def __str__(self) -> str:
        pairs = zip(self.explanations, self.folders, strict=True)
        lines = [f"{explanation}\n  -> {folder}" for explanation, folder in pairs]
        return "\n".join(lines + ([] if self.account.complete else [str(self.account)]))


def explain_captions(
    loaded: LoadedCaptioner,
    images: Sequence[str],
    *,
    out: str,
    beams: int,
    on_bad: Literal["skip", "fail"],
    device: torch.device,
) -> ExplainedCaptions:
    """Explains the text about each image, in a folder of its own below `out`; see `explain_images` for the arguments.

    Raises:
        RunError: a network without attention in its decoder, or a folder that cannot be written to.
        DataError: no image could be read.
    """
    if not taps(loaded.net.decoder):  # type: ignore[arg-type]
        raise RunError(
            f"{loaded.path} holds {loaded.name}, whose decoder has no attention: there is nothing to show of it."
        )
    files, tally = image_files("explain", images, on_bad)
    known = loaded.code.preprocessing
    warn_of_unlike(files, known)
    loaded.net.to(device)
    found: list[CaptionExplanation] = []
    folders: list[Path] = []
    for number, path in enumerate(files, 1):
        for image in read_images([path], known, on_bad, PIXEL_LIMIT, tally).values():
            answer, maps = locate(loaded.net, loaded.code, image, beams=beams)
            found.append(
                CaptionExplanation(
                    network=loaded.name,
                    source=printable(path),
                    image=known.restore(image),
                    answer=answer,
                    maps=maps,
                )
            )
            folders.append(found[-1].save(Path(out) / f"{number:02d}-{printable(path.stem)}"))
    account = tally.settle({"explained": len(found)})
    if not found:
        raise DataError(f"explain: no image of {len(account.bad)} could be read; the first: {account.bad[0]}.")
    return ExplainedCaptions(tuple(found), tuple(folders), account)


@torch.no_grad()
def locate(net: nn.Module, code: CaptionCode, image: Tensor, *, beams: int = 1) -> tuple[str, tuple[StepMaps, ...]]:
    """Returns the text of a network about a preprocessed image (c, h, w), and its maps in one pass over that text."""
    inputs = image[None].to(device_of(net))
    found = net.answer(inputs, beams=beams, longest=code.longest)  # type: ignore[operator]
    answer = [n for n in found.symbols[0].tolist() if n not in (PAD, END)]
    target = torch.tensor([[BEGIN, *answer]], device=inputs.device)
    looks = look(net, (inputs, target), device="cpu")
    grid: tuple[int, int] = net.grid(*image.shape[1:])  # type: ignore[operator]
    written = code.target.symbols([*answer, END])
    maps = tuple(
        StepMaps(name=path, weights=weights[0].float().unflatten(1, grid).numpy(), target=written)
        for path, weights in step_maps(looks.maps, len(written)).items()
    )
    return code.target.decode([answer])[0], maps
