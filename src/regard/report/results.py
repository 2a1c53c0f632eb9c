"""What a comparison found, as records: the schema of results.json.

Scores know their unit and whether higher or lower is better; those in per cent, recalls and their differences are
shares (0.87, not 87 %). A cost's ratio is that cost divided by the plain network's, measured in the same turns: over 1
costs more. docs/reference/results-schema.md describes every field.
"""

import json
from dataclasses import dataclass, field
from typing import Literal

from regard.core.coding import decode, encode
from regard.core.epochs import Epoch
from regard.core.errors import RunError
from regard.core.run_record import RunRecord
from regard.core.scores import Score, Scores

SCHEMA = 1
PLAIN = "none"

Scalar = str | int | float | bool | None
Verdict = Literal["better", "worse", "within noise", "not tested"]
AblationMode = Literal["trained", "mean", "swapped", "permuted", "neutral"]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Files of a source that are not used, for one reason.

    Attributes:
        reason: in the words of a sentence without its full stop.
        count: how many.
        examples: some of their names.
    """

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Data:
    """How much there was of the data that the run's record names, and what is to be said of them.

    Attributes:
        available: images in each split of the source (`train`, `val`, `test`).
        used: images of each split that this comparison used.
        licence: the notice of the source; may be empty.
        warnings: what the source warned of.
        notes: what was decided in opening the source.
        unit: what was found, `file` or `image`.
        found: how many files, or images in arrays, the source has.
        left_out: those that are in no split, by the reason.
    """

    available: dict[str, int]
    used: dict[str, int]
    licence: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unit: str = "image"
    found: int = 0
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The question that was asked, and how.

    Attributes:
        run: the plain network, its input, its task and its data.
        data: how many images there were.
        recipe: every field of the training recipe.
        epochs: passes over the training images in each trial.
        seeds: one trial of every arm for each.
        device: as PyTorch names it, with the hardware's name where known.
        threads: threads of one worker.
        workers: trials trained at the same time.
        versions: of regard, Python, PyTorch and whatever else matters.
        command: the line that made this, or that a program in Python did.
        real_run: the line to write for a comparison that trains properly; empty where this one does.
        started: ISO 8601 with time zone.
        finished: the same.
        seconds: of work in all, trials kept from earlier included.
    """

    run: RunRecord
    data: Data
    recipe: dict[str, Scalar]
    epochs: int
    seeds: tuple[int, ...]
    device: str
    threads: int
    workers: int
    versions: dict[str, str]
    command: str
    real_run: str
    started: str
    finished: str
    seconds: float

    @property
    def source(self) -> str:
        """What the data are called; empty where that is not known."""
        return self.run.data.name if self.run.data else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the task's classes."""
        return self.run.task.classes

    @property
    def barely_trained(self) -> bool:
        """Whether a longer run is needed before anything can be said about trained networks."""
        return self.real_run != ""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of one arm, measured in turns with the plain network.

    Attributes:
        milliseconds: median of one batch: a forward pass, or a training step.
        quartiles: of the milliseconds.
        ratio: median over the rounds of this arm's time divided by the plain network's.
        ratio_quartiles: of the ratios.
        batch: images in a batch.
    """

    milliseconds: float
    quartiles: tuple[float, float]
    ratio: float
    ratio_quartiles: tuple[float, float]
    batch: int

    @property
    def images_per_second(self) -> float:
        """Throughput at the median time."""
        return self.batch / self.milliseconds * 1000


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak bytes of one training step, and their ratio to the plain network's."""

    bytes: int
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One side of the comparison: a mechanism, a control or the plain network (spec `none`).

    Attributes:
        spec: as it was asked for, for example `cbam:reduction=8`; trials and comparisons refer to it.
        name: what people call it, for example `CBAM`.
        is_control: whether it is there to explain a gain away (`static`, `wide`), not to win.
        parameters: of the whole network.
        macs: multiply-adds of one image.
        sites: attention modules in the network.
        inference: a forward pass; None where it was not measured.
        training: a training step; None where it was not measured.
        memory: of a training step; None where it was not measured.
    """

    spec: str
    name: str
    is_control: bool
    parameters: int
    macs: int
    sites: int
    inference: Timing | None = None
    training: Timing | None = None
    memory: Memory | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is the network without attention, which the others are compared with."""
        return self.spec == PLAIN


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one network does on one split.

    Attributes:
        n: examples.
        scores: of all of them; the choice is what arms are compared by.
        recall: of each class; null for a class without examples; empty where the task has no classes.
        confusion: k x k counts, rows true classes, columns answers; empty without classes and for multi-label data.
    """

    n: int
    scores: Scores
    recall: tuple[float, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One network trained once. `weights` is a path relative to the run's folder; `test` None if never looked at."""

    arm: str
    seed: int
    epochs: int
    history: tuple[Epoch, ...]
    val: Outcome
    test: Outcome | None
    seconds: float
    weights: str


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval; `level` 0.95 for a single one, more where several comparisons share an error of 5 %."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An arm against a reference, over the seeds that both have.

    Attributes:
        arm: its spec.
        reference: the spec it is compared with; the arm itself where there is only a mean to say.
        split: which split was scored.
        seeds: pairs of trials.
        score: what is compared, its value the mean over the seeds.
        interval: 95 % t interval of that mean; None with one seed.
        difference: mean of the paired differences, arm minus reference, whichever direction is better; None for the
            reference itself.
        difference_interval: at the level of the arm's step of Holm's procedure, so that it excludes 0 exactly
            where the verdict is better or worse.
        p: two-sided p value of the paired t test, after Holm's correction.
        verdict: `not tested` where one seed, or seeds that all differ by the same, leave no noise to compare with.
        detectable: the smallest true difference that this design would have found with power 0.8.
        worthwhile: a small difference that is still worth having: 0.005 of a share, else 1 % of the reference's mean.
        seeds_needed: seeds with which a true difference of `worthwhile` would be found with power 0.8.
    """

    arm: str
    reference: str
    split: Literal["val", "test"]
    seeds: int
    score: Score
    interval: Interval | None
    difference: float | None
    difference_interval: Interval | None
    p: float | None
    verdict: Verdict | None
    detectable: float | None
    worthwhile: float
    seeds_needed: int | None


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """What one trained network scores when something is done to its maps, always on validation images.

    Attributes:
        arm: its spec.
        seed: of the trial.
        mode: `trained` (as it is), `mean` (frozen at the mean over training images), `swapped` (from another
            image), `permuted` (shuffled over channels or positions), `neutral` (the value that does nothing).
        renormalised: whether BatchNorm statistics were recomputed on training images afterwards.
        accuracies: one for each draw; modes that draw nothing have one.
        n: images.
        lost: for each draw, images that were right as trained and are wrong now; empty if not counted.
        gained: for each draw, images that were wrong as trained and are right now; empty if not counted.
    """

    arm: str
    seed: int
    mode: AblationMode
    renormalised: bool
    accuracies: tuple[float, ...]
    n: int
    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GateProfile:
    """A channel map averaged over images: `by_class` k rows of c means, in the order of the classes; `overall` c."""

    arm: str
    seed: int
    tap: str
    by_class: tuple[tuple[float, ...], ...]
    overall: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Something that was chosen: `what`, which `value`, by which `rule`. Rules look at validation images only."""

    what: str
    value: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that a comparison found; what the report is drawn from.

    Attributes:
        settings: the question.
        arms: the plain network first.
        trials: one for each arm and seed.
        comparisons: each arm with the plain network (`statistics.compare_arms`), and with other references if asked.
        ablations: may be empty.
        gate_profiles: may be empty.
        choices: what was chosen on validation images.
        test_accesses: how often any network was scored on the test images, this comparison included.
        schema: the version of this layout.
    """

    settings: Settings
    arms: tuple[Arm, ...]
    trials: tuple[Trial, ...]
    comparisons: tuple[Comparison, ...]
    ablations: tuple[AblationRow, ...] = ()
    gate_profiles: tuple[GateProfile, ...] = ()
    choices: tuple[Choice, ...] = ()
    test_accesses: int = 0
    schema: int = field(default=SCHEMA)

    def to_json(self) -> str:
        """The text of results.json: strict JSON, indented, floats that are not finite as null."""
        return json.dumps(encode(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "results.json") -> "Results":
        """The results that `text` describes.

        Args:
            text: what `to_json` wrote.
            where: the file's name, for errors.

        Raises:
            RunError: not JSON, another schema version, or a field that is missing, unknown or of another type.
        """
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise RunError(
                f"{where} is not JSON (line {error.lineno}: {error.msg}): it was cut off or changed by hand. "
                "Run the comparison again; finished trials are kept."
            ) from error
        version = value.get("schema") if isinstance(value, dict) else None
        if version != SCHEMA:
            raise RunError(
                f"{where} has schema {version!r}, but this version of regard reads {SCHEMA}: run the comparison again "
                "with this version, or read the file with the version that wrote it."
            )
        return decode(cls, value, where)

    def arm(self, spec: str) -> Arm:
        """The arm with this spec."""
        for arm in self.arms:
            if arm.spec == spec:
                return arm
        raise RunError(f"The results have no arm {spec!r}. There are: {', '.join(a.spec for a in self.arms)}.")

    def against(self, reference: str = PLAIN) -> tuple[Comparison, ...]:
        """The comparisons with one reference, in the order of the arms."""
        order = [arm.spec for arm in self.arms]
        found = (c for c in self.comparisons if c.reference == reference)
        return tuple(sorted(found, key=lambda c: order.index(c.arm) if c.arm in order else len(order)))
