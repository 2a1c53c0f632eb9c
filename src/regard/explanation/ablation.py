"""Whether a trained network needs its maps, and whether it needs them to follow the image."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from regard.core.batch import ImageBatch
from regard.core.errors import OptionError
from regard.core.options import at_least, one_of
from regard.core.seeding import use_seed
from regard.explanation.batches import Batches, ImageSet, right_answers
from regard.explanation.evidence import paired_drop
from regard.explanation.paths import Paths, tapped
from regard.explanation.recalibration import carrying, normalisations, recalibrated, restoring
from regard.explanation.recording import Recording
from regard.explanation.substitution import Mean, Neutral, Permuted, Substitution, Swapped
from regard.explanation.verdict import DRAWN, MODES, Ablation, Mode, Row

Renormalise = bool | Literal["both"]
Around = Callable[[ImageBatch, range], AbstractContextManager[None]]
Judge = Callable[[nn.Module, ImageBatch], Tensor]


def ablate(
    net: nn.Module,
    evaluation: Batches,
    training: Batches | None = None,
    *,
    modes: Sequence[Mode] = MODES,
    draws: int = 5,
    renormalise: Renormalise = "both",
    seed: int = 0,
    paths: Paths = None,
    right: Judge = right_answers,
    memory: int = 2**31,
    announce: Callable[[str], object] | None = None,
) -> Ablation:
    """Measures a network's accuracy, its share of right answers, with its maps as trained and with others instead.

    All taps are replaced at once. Maps that are averaged, swapped or permuted are those of an undisturbed pass.
    Afterwards, also after an exception, the network's mode, running statistics and taps are as before.

    Args:
        net: a network with taps.
        evaluation: the images that are judged, in the same order in every pass.
        training: training images, without augmentation; needed for the mode `mean` and to renormalise.
        modes: what is put in the maps' place, see `MODES`; `trained` is always measured too.
        draws: repetitions of the modes `swapped` and `permuted`.
        renormalise: whether the statistics of batch normalisation are first recomputed on the training images with
            the same maps in place (their average over one pass), so that a loss is not one of scale alone; or both.
            Such rows are compared with the trained maps renormalised alike. A network without has no such rows.
        seed: of derangements and permutations.
        paths: which taps are replaced; all of them if None.
        right: which answers of `net` to a batch are right, (b,) of 0 and 1; by default as of a classifier that gives
            scores (b, k), see `core.answers.is_right`.
        memory: bytes for remembered maps, for each of the two sets. Where they need more, `swapped` takes maps of a
            random sample of the images, and `permuted` has them computed again.
        announce: is told what is being done.

    Raises:
        RegardError: the network has no taps.
        OptionError: training images that are missing, an unknown mode, a map with nothing to permute.
        DataError: no images, or another order in a second pass.
        ShapeError: outputs that are not (b, k), with the default of `right`.
    """
    flags = _flags(net, renormalise)
    wanted = _wanted(modes, training is not None, True in flags)
    at_least("ablate", "draws", draws, 1)
    with use_seed("ablate", seed), torch.no_grad(), restoring(net):
        net.eval()
        trial = _Trial(net, evaluation, training, paths, seed, right, announce or (lambda text: None))
        return trial.run(wanted, flags, draws, memory)


def _flags(net: nn.Module, renormalise: Renormalise) -> tuple[bool, ...]:
    one_of("ablate", "renormalise", renormalise, (False, True, "both"))
    if not normalisations(net):
        return (False,)
    return (False, True) if renormalise == "both" else (renormalise,)


def _wanted(modes: Sequence[Mode], trainable: bool, renormalise: bool) -> tuple[Mode, ...]:
    for mode in modes:
        one_of("ablate", "modes", mode, MODES)
    if not trainable and ("mean" in modes or renormalise):
        raise OptionError(
            "ablate: the mode 'mean' and renormalise=True need training images: pass training=, or choose other "
            "modes and renormalise=False."
        )
    return tuple(mode for mode in MODES if mode in modes or mode == "trained")


def _row(mode: Mode, renormalised: bool, right: Sequence[Tensor], before: Tensor) -> Row:
    draws = tuple(float(one.mean()) for one in right)
    if mode == "trained":
        return Row(mode=mode, renormalised=renormalised, draws=draws, drop=None)
    return Row(
        mode=mode,
        renormalised=renormalised,
        draws=draws,
        drop=paired_drop(before, torch.stack(list(right)).mean(0)),
        lost=tuple(int((one < before).sum()) for one in right),
        gained=tuple(int((one > before).sum()) for one in right),
    )


class _Trial:
    """One network with what is known of its maps; the network is in evaluation mode and put back by the caller."""

    def __init__(
        self,
        net: nn.Module,
        evaluation: Batches,
        training: Batches | None,
        paths: Paths,
        seed: int,
        right: Judge,
        announce: Callable[[str], object],
    ) -> None:
        self.net = net
        self.taps = tapped(net, paths)
        self.norms = normalisations(net)
        self.seed = seed
        self.right = right
        self.announce = announce
        self.evaluation = ImageSet(evaluation, "evaluation")
        self.training = ImageSet(() if training is None else training, "training")
        self.recordings: dict[str, Recording] = {}

    def run(self, modes: Sequence[Mode], flags: Sequence[bool], draws: int, memory: int) -> Ablation:
        """Every mode with and without renormalisation, as the flags say."""
        exchanged = not set(DRAWN).isdisjoint(modes)
        trained = self._record(self.evaluation, memory if exchanged else 0)
        if "mean" in modes or True in flags:
            self._record(self.training, memory if exchanged and True in flags else 0)
        rows: list[Row] = []
        for renormalised in flags:
            before = self._judge("trained", True, 0) if renormalised else trained
            rows.append(_row("trained", renormalised, [before], before))
            for mode in modes[1:]:
                right = [self._judge(mode, renormalised, draw) for draw in range(draws if mode in DRAWN else 1)]
                rows.append(_row(mode, renormalised, right, before))
        return Ablation(
            rows=tuple(rows),
            images=len(trained),
            training_images=len(self.training),
            taps=tuple((path, tap.kind.name) for path, tap in self.taps.items()),
            seed=self.seed,
        )

    def _record(self, images: ImageSet, memory: int) -> Tensor:
        """Runs the network as trained, remembers its maps, and returns how right each image was."""
        self.announce(f"maps of the {images.name} images")
        recording = self.recordings[images.name] = Recording(memory, self.seed)
        right = []
        for places, batch in images:
            with recording.listening(self.net, tuple(self.taps), places):
                right.append(self.right(self.net, batch))
        return torch.cat(right)

    def _judge(self, mode: Mode, renormalised: bool, draw: int) -> Tensor:
        """How right each evaluated image is with the maps of this mode."""
        self.announce(f"maps {mode}{f', draw {draw + 1}' * (mode in DRAWN)}{', renormalised' * renormalised}")
        statistics = None
        if renormalised:
            training = self._substitution(mode, self.training, draw)
            statistics = recalibrated(self.net, self.training, self._around(training))
        around = self._around(self._substitution(mode, self.evaluation, draw), statistics)
        right = []
        for places, batch in self.evaluation:
            with around(batch, places):
                right.append(self.right(self.net, batch))
        return torch.cat(right)

    def _substitution(self, mode: Mode, images: ImageSet, draw: int) -> Substitution | None:
        recording = self.recordings[images.name]
        if mode == "trained":
            return None
        if mode == "neutral":
            return Neutral(self.taps)
        if mode == "mean":
            return Mean(self.taps, self.recordings["training"].mean)
        if mode == "swapped":
            return Swapped(self.taps, recording, len(images), images.name, self.seed, draw)
        return Permuted(self.taps, recording, self.seed, draw)

    def _around(self, substitution: Substitution | None, statistics: Sequence[Tensor] | None = None) -> Around:
        @contextmanager
        def around(batch: ImageBatch, places: range) -> Iterator[None]:
            if substitution is not None:
                substitution.prepare(self.net, batch.images, places)
            with ExitStack() as stack:
                if statistics is not None:
                    stack.enter_context(carrying(self.norms, statistics))
                if substitution is not None:
                    stack.enter_context(substitution.applied(self.net))
                yield

        return around
