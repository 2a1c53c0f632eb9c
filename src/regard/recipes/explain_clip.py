"""`regard explain` for clips and sounds: the weights of their frames, and of positions in them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from regard.core.errors import RunError
from regard.core.kinds import Axis
from regard.core.records import Map, Maps
from regard.core.tap import taps
from regard.data import Account, Clips, Reading
from regard.data.clip_preprocessing import frames_shown, seconds_a_frame
from regard.explanation import look
from regard.recipes.clips import LoadedClips, open_clips_for
from regard.recipes.predict_clip import clips_of
from regard.recipes.versions import versions
from regard.report.clip_figure import Weights
from regard.report.clip_files import ClipContents, save_clip

MOST = 8
"""Clips of a source that are explained; without a source half as many validation clips."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ClipExplanation:
    """The answer of a network to one clip or sound, with the weights of its frames.

    Attributes:
        network: its name.
        clip: its name in its source.
        answers: the classes with their probabilities, the most likely first.
        inputs: what the network saw, to be shown: (c, t, h, w) uint8, or (c, t) of a sound or series.
        numbers: the numbers of the frames in the whole clip.
        weights: (n, t) of each map of frames, by its name.
        spatial: (t, h, w) of each map of the positions of frames, by its name.
        seconds: from frame to frame of a sound; None otherwise.
    """

    network: str
    clip: str
    answers: tuple[tuple[str, float], ...]
    inputs: Tensor
    numbers: tuple[int, ...]
    weights: Mapping[str, Weights]
    spatial: Mapping[str, Tensor]
    seconds: float | None = None

    def save(self, folder: str | Path) -> Path:
        """Writes figures, arrays and a manifest into `folder`; see `regard.report.clip_files`.

        Raises:
            RunError: the folder has files of these names that are no explanation's, or cannot be written to.
        """
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return save_clip(ClipContents(**own, versions=versions()), Path(folder))

    def __str__(self) -> str:
        lines = [f"{self.network} on {self.clip}"]
        lines += [f"  {name}: {100 * p:.1f} %" for name, p in self.answers[:3]]
        for name, weights in self.weights.items():
            mean = weights.mean(0)
            peak = int(mean.argmax())
            frame = self.numbers[peak] if len(mean) == len(self.numbers) else peak
            lines.append(f"  {name}: the greatest weight, {mean[peak]:.3f}, is that of frame {frame}")
        lines += [f"  {name}: the positions of each frame, as drawn" for name in self.spatial]
        if not self.weights and not self.spatial:
            lines.append(
                "  its maps are neither of frames nor of their positions, so no figure shows them; see maps.npz"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class ExplainedClips:
    """Each clip's explanation, the folder it is in, and what became of every file."""

    explanations: tuple[ClipExplanation, ...]
    folders: tuple[Path, ...]
    account: Account

    def __str__(self) -> str:
        pairs = zip(self.explanations, self.folders, strict=True)
        lines = [f"{explanation}\n  -> {folder}" for explanation, folder in pairs]
        return "\n".join(lines + ([] if self.account.complete else [str(self.account)]))


def explain_clips(
    loaded: LoadedClips,
    sources: Sequence[str],
    *,
    out: str,
    on_bad: Literal["skip", "fail"],
    device: torch.device,
) -> ExplainedClips:
    """Explains clips of a source, and saves each in a folder of its own below `out`; see `explain_images`.

    Raises:
        RunError: a network without attention, or a folder that cannot be written to.
        DataError: there is no clip that can be used.
    """
    if sources:
        clips, account = clips_of(loaded, sources, command="explain", on_bad=on_bad)
    else:
        judged = open_clips_for(loaded, None, "val", Reading(on_bad=on_bad))
        clips, account = judged.clips, judged.source.account
    loaded.net.to(device)
    count = min(len(clips), MOST if sources else MOST // 2)
    found = tuple(explain_clip(loaded, clips, index, device=device) for index in range(count))
    folders: list[Path] = []
    for number, one in enumerate(found, 1):
        stem = re.sub(r"[^\w.-]+", "-", Path(one.clip).name)[:40].strip("-.") or loaded.unit
        folders.append(one.save(Path(out) / f"{number:02d}-{stem}"))
    return ExplainedClips(found, tuple(folders), account)


def explain_clip(
    loaded: LoadedClips, clips: Clips, index: int, *, device: torch.device | None = None
) -> ClipExplanation:
    """Runs a network on one clip and keeps the weights of its frames and positions.

    Raises:
        RunError: the network has no attention.
    """
    if not taps(loaded.net):
        raise RunError(
            f"{loaded.path} holds {loaded.name}, a network without attention: there is nothing to show of it."
        )
    inputs = loaded.preprocessing.read(clips, index)
    looks = look(loaded.net, inputs.unsqueeze(0).to(device or torch.device("cpu")), device="cpu")
    assert isinstance(looks.answers, Tensor)
    shares = looks.answers[0].float().cpu().softmax(0)
    order = shares.argsort(descending=True, stable=True).tolist()
    weights, spatial = read_maps(looks.maps, inputs.shape[1])
    seconds = seconds_a_frame(loaded.preprocessing)
    return ClipExplanation(
        network=loaded.name,
        clip=clips.names(index),
        answers=tuple((loaded.classes[k], float(shares[k])) for k in order),
        inputs=loaded.preprocessing.restore(inputs),
        numbers=tuple(frames_shown(loaded.preprocessing, clips, index).tolist()),
        weights=weights,
        spatial=spatial,
        seconds=None if math.isnan(seconds) else seconds,
    )


def read_maps(maps: Maps, frames: int) -> tuple[dict[str, Weights], dict[str, Tensor]]:
    """The maps of one clip: weights of frames (n, t), and weights of positions in frames (t, h, w), by name.

    A map of positions belongs to frames where a network makes one for each of them: as steps of one pass, as the
    examples of a batch of frames, or as positions in time.
    """
    weights: dict[str, Weights] = {}
    spatial: dict[str, Tensor] = {}
    for path, seen in maps.items():
        one = seen[0]
        if Axis.FRAME in one.kind.axes:
            weights[path] = one.values[0].float().flatten(1).numpy()
            continue
        steps = [positions[0] for positions in map(Map.positions, seen) if positions is not None]
        if not steps:
            continue
        found = one.positions()
        assert found is not None
        if len(seen) == frames > 1:
            spatial[path] = torch.stack(steps).float()
        elif found.ndim == 3 and len(found) == frames:
            spatial[path] = found.float()
        elif found.ndim == 4 and len(found) == 1:
            spatial[path] = found[0].float()
        elif found.ndim == 2 and len(found) == 1:
            weights[path] = found.float().numpy()
    return weights, {path: values for path, values in spatial.items() if values.ndim == 3}
