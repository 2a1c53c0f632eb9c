"""Ablation of a trained network's maps, and a test whether it needs them to depend on the image."""

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
from regard.explanation.paths import Paths, find_taps
from regard.explanation.recalibration import normalisations, recalibrate, restore_state, use_statistics
from regard.explanation.recording import Recording
from regard.explanation.substitution import Mean, Neutral, Permute, Substitution, Swap
from regard.explanation.verdict import DRAWN, MODES, Ablation, Mode, Row

Renormalise = bool | Literal["both"]
Context = Callable[[ImageBatch, range], AbstractContextManager[None]]
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
    """Measures a network's accuracy, its share of correct answers, with its maps as trained and with replaced maps.

    All taps are replaced at once. Maps that are averaged, swapped or permuted come from a pass without replacements.
    Afterwards, also after an exception, the network's mode, running statistics and taps are as before.

    Args:
        net: a network with taps.
        evaluation: the evaluation images, in the same order in every pass.
        training: training images, without augmentation; needed for the mode `mean` and to renormalise.
        modes: the replacements of the maps, see `MODES`; `trained` is always measured too.
        draws: repetitions of the modes `swapped` and `permuted`.
        renormalise: True recomputes the statistics of batch normalisation on the training images with the replaced
            maps first (their average over one pass), so that a loss is not one of scale alone; "both" measures both.
            Such rows are compared with the trained maps renormalised likewise. A network without batch normalisation
            has no such rows.
        seed: of derangements and permutations.
        paths: the taps to replace; all of them if None.
        right: a function of `net` and a batch that returns (b,), 1 for each correct answer and else 0; by default that
            of a classifier with scores (b, k), see `core.answers.is_right`.
        memory: bytes for stored maps, for each of the two sets. If they need more, `swapped` takes maps of a
            random sample of the images, and `permuted` has them computed again.
        announce: called with a line of text before each step.

    Raises:
        RegardError: the network has no taps.
        OptionError: training images that are missing, an unknown mode, a map with nothing to permute.
        DataError: no images, or another order in a second pass.
        ShapeError: outputs that are not (b, k), with the default of `right`.
    """
    flags = _flags(net, renormalise)
    wanted = _select_modes(modes, training is not None, True in flags)
    at_least("ablate", "draws", draws, 1)
    with use_seed("ablate", seed), torch.no_grad(), restore_state(net):
        net.eval()
        trial = _Trial(net, evaluation, training, paths, seed, right, announce or (lambda text: None))
        return trial.run(wanted, flags, draws, memory)


def _flags(net: nn.Module, renormalise: Renormalise) -> tuple[bool, ...]:
    one_of("ablate", "renormalise", renormalise, (False, True, "both"))
    if not normalisations(net):
        return (False,)
    return (False, True) if renormalise == "both" else (renormalise,)


def _select_modes(modes: Sequence[Mode], trainable: bool, renormalise: bool) -> tuple[Mode, ...]:
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
    """One network and its recorded maps; the network is in evaluation mode, and the caller restores it."""

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
        self.taps = find_taps(net, paths)
        self.norms = normalisations(net)
        self.seed = seed
        self.right = right
        self.announce = announce
        self.evaluation = ImageSet(evaluation, "evaluation")
        self.training = ImageSet(() if training is None else training, "training")
        self.recordings: dict[str, Recording] = {}

    def run(self, modes: Sequence[Mode], flags: Sequence[bool], draws: int, memory: int) -> Ablation:
        """Measures every mode, with and without renormalisation according to the flags."""
        needs_maps = not set(DRAWN).isdisjoint(modes)
        trained = self._record(self.evaluation, memory if needs_maps else 0)
        if "mean" in modes or True in flags:
            self._record(self.training, memory if needs_maps and True in flags else 0)
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
        """Runs the network as trained, records its maps, and returns the correctness of each image."""
        self.announce(f"maps of the {images.name} images")
        recording = self.recordings[images.name] = Recording(memory, self.seed)
        right = []
        for indices, batch in images:
            with recording.record(self.net, tuple(self.taps), indices):
                right.append(self.right(self.net, batch))
        return torch.cat(right)

    def _judge(self, mode: Mode, renormalised: bool, draw: int) -> Tensor:
        """Returns the correctness of each evaluation image with the maps of this mode."""
        self.announce(f"maps {mode}{f', draw {draw + 1}' * (mode in DRAWN)}{', renormalised' * renormalised}")
        statistics = None
        if renormalised:
            training = self._substitution(mode, self.training, draw)
            statistics = recalibrate(self.net, self.training, self._context(training))
        context = self._context(self._substitution(mode, self.evaluation, draw), statistics)
        right = []
        for indices, batch in self.evaluation:
            with context(batch, indices):
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
            return Swap(self.taps, recording, len(images), images.name, self.seed, draw)
        return Permute(self.taps, recording, self.seed, draw)

    def _context(self, substitution: Substitution | None, statistics: Sequence[Tensor] | None = None) -> Context:
        @contextmanager
        def context(batch: ImageBatch, indices: range) -> Iterator[None]:
            if substitution is not None:
                substitution.prepare(self.net, batch.network_inputs(), indices)
            with ExitStack() as stack:
                if statistics is not None:
                    stack.enter_context(use_statistics(self.norms, statistics))
                if substitution is not None:
                    stack.enter_context(substitution.apply(self.net))
                yield

        return context
