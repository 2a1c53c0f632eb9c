"""The results of a comparison as records: the schema of results.json.

Scores know their unit and whether higher or lower is better; those in per cent, recalls and their differences are
shares (0.87, not 87 %). A cost's ratio is that cost divided by the plain network's, measured alternately with it:
over 1 costs more. docs/reference/results-schema.md describes every field.
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
        count: the number of files.
        examples: some of their names.
    """

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Amounts of the data that the run's record names, with warnings and notes.

    Attributes:
        available: images in each split of the source (`train`, `val`, `test`).
        used: images of each split that this comparison used.
        licence: the notice of the source; may be empty.
        warnings: warnings about the source.
        notes: decisions that were made on opening the source.
        unit: the unit of `found`, `file` or `image`.
        found: the number of files, or of images in arrays, in the source.
        left_out: those in no split, by reason.
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
    """The settings of a comparison.

    Attributes:
        run: the plain network, its input, its task and its data.
        data: numbers of images.
        recipe: every field of the training recipe.
        epochs: passes over the training images in each trial.
        seeds: each has one trial of every arm.
        device: as PyTorch names it, with the hardware's name where known.
        threads: threads of one worker.
        workers: trials trained at the same time.
        versions: of regard, Python, PyTorch and other packages that matter.
        command: the command line of this run, or a note that Python code made it.
        real_run: the command of a comparison that trains fully; empty if this one does.
        started: ISO 8601 with time zone.
        finished: the same.
        seconds: of work in total, including trials kept from earlier runs.
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
        """The name of the data; empty if unknown."""
        return self.run.data.name if self.run.data else ""

    @property
    def example(self) -> str:
        """The word for an example, `image` or `text`."""
        return self.run.input.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the task's classes."""
        return self.run.task.classes

    @property
    def barely_trained(self) -> bool:
        """True if conclusions about trained networks need a longer run."""
        return self.real_run != ""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of one arm, measured alternately with the plain network.

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
        spec: as given, for example `cbam:reduction=8`; trials and comparisons refer to it.
        name: the usual name, for example `CBAM`.
        is_control: True if it serves to explain a gain by something else (`static`, `wide`).
        parameters: of the whole network.
        macs: multiply-adds of one image.
        sites: attention modules in the network.
        inference: a forward pass; None if not measured.
        training: a training step; None if not measured.
        memory: of a training step; None if not measured.
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
        """True for the network without attention, the reference of the others."""
        return self.spec == PLAIN


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The scores of one network on one split.

    Attributes:
        n: examples.
        scores: of all of them; arms are compared by the chosen one.
        recall: of each class; null for a class without examples; empty if the task has no classes.
        confusion: k x k counts, rows true classes, columns predictions; empty without classes and for multi-label data.
    """

    n: int
    scores: Scores
    recall: tuple[float, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One network trained once. `weights` is a path relative to the run's folder; `test` is None if never evaluated."""

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
        reference: the spec it is compared with; the arm itself if there is only a mean.
        split: the split that was scored.
        seeds: pairs of trials.
        score: the score compared; its value is the mean over the seeds.
        interval: 95 % t interval of that mean; None with one seed.
        difference: mean of the paired differences, arm minus reference, whichever direction is better; None for the
            reference itself.
        difference_interval: at the level of the arm's step of Holm's procedure, so that it excludes 0 exactly
            where the verdict is better or worse.
        p: two-sided p value of the paired t test, after Holm's correction.
        verdict: `not tested` if one seed, or equal differences of all seeds, leave no variance to test against.
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
    """The accuracy of one trained network with its maps replaced, always on validation images.

    Attributes:
        arm: its spec.
        seed: of the trial.
        mode: `trained` (as it is), `mean` (frozen at the mean over training images), `swapped` (from another
            image), `permuted` (shuffled over channels or positions), `neutral` (the value that does nothing).
        renormalised: True if BatchNorm statistics were recomputed on training images afterwards.
        accuracies: one for each draw; modes without random draws have one.
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
    """A choice: of `what`, the `value` chosen, and the `rule`. Rules use validation images only."""

    what: str
    value: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """All results of a comparison, from which the report is made.

    Attributes:
        settings: the settings of the comparison.
        arms: the plain network first.
        trials: one for each arm and seed.
        comparisons: each arm with the plain network (`statistics.compare_arms`), and with other references if asked.
        ablations: may be empty.
        gate_profiles: may be empty.
        choices: the choices made on validation images.
        test_accesses: the number of times that any network was scored on the test images, including this comparison.
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
        """Encodes the results as strict, indented JSON; floats that are not finite become null."""
        return json.dumps(encode(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "results.json") -> "Results":
        """Decodes the results in `text`.

        Args:
            text: the output of `to_json`.
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
