"""The settings of a training run, flat and checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Literal

from regard.core.errors import OptionError, unknown_name
from regard.core.options import at_least, one_of

Optimizer = Literal["sgd", "adamw"]
Precision = Literal["float32", "bfloat16", "float16"]

USUAL_LR = {"sgd": 0.1, "adamw": 0.001}
USUAL_DECAY = {"sgd": 5e-4, "adamw": 0.05}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a training run; a value that is not allowed raises an error on construction.

    Args:
        epochs: number of passes over the training images.
        batch_size: number of images per step.
        optimizer: `sgd` (with Nesterov momentum) or `adamw`.
        lr: highest learning rate; by default 0.1 for sgd, 0.001 for adamw.
        momentum: momentum of SGD; AdamW's first beta is always 0.9.
        weight_decay: weight decay, not applied to biases, normalisations and single scalars; by default 0.0005 for sgd,
            0.05 for adamw.
        warmup_epochs: number of epochs (or a fraction) of linear warm-up before the cosine decay of the learning rate.
        label_smoothing: label smoothing, from 0 to below 1.
        mixup: alpha of mixup, 0 for none; 0.2 is common.
        cutmix: alpha of CutMix, 0 for none; 1 is common. With both, one of the two is drawn at random for each batch.
        clip: largest norm of the gradients, 0 for no clipping.
        precision: `float32`, or mixed precision in `bfloat16` (CPU, CUDA) or `float16` (CUDA).
        ema: decay of an exponential moving average of the weights, 0 for none; the average is validated and saved.
            The decay is smaller in the first steps (at most (1 + n) / (10 + n) after n steps).
        channels_last: use the channels-last memory format (faster on GPUs and recent CPUs).
        compile: compile the network with `torch.compile` (a minute's wait, then faster; needs a compiler).
        attention_lr: factor on the learning rate of attention mechanisms; above 1 if they were inserted into a
            trained network.
        class_weights: `balanced` weights the loss of each class by the inverse of its frequency in the training images.
        rollouts: number of rollouts per training image, of a network that chooses where to look.
        policy_weight: weight of the policy gradient in the loss of such a network.
        policy_entropy: weight of an entropy bonus for the policy of such a network.
        teacher_forcing: share of true symbols that a network for text reads in the last epoch; it falls to this
            linearly, and instead of the others the network reads the symbol that it thought likeliest.
        coverage: weight of a term by which a network that writes about images looks at every position once (doubly
            stochastic attention).
        keep: epoch whose weights are the result: the `last`, or the `best` on the validation images.
        save_every: number of epochs between two full checkpoints; the last epoch is always saved.

    Raises:
        OptionError: a value out of its range.

    Example:
        >>> Recipe(epochs=3, optimizer="adamw").lr
        0.001
        >>> Recipe(epochs=0)
        Traceback (most recent call last):
        regard.core.errors.OptionError: recipe: epochs=0 is not allowed; it must be an integer of at least 1.
    """

    epochs: int = 10
    batch_size: int = 64
    optimizer: Optimizer = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float | None = None
    warmup_epochs: float = 0.5
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    clip: float = 0.0
    precision: Precision = "float32"
    ema: float = 0.0
    channels_last: bool = False
    compile: bool = False
    attention_lr: float = 1.0
    class_weights: Literal["none", "balanced"] = "none"
    rollouts: int = 1
    policy_weight: float = 0.01
    policy_entropy: float = 0.0
    teacher_forcing: float = 1.0
    coverage: float = 0.0
    keep: Literal["last", "best"] = "last"
    save_every: int = 1

    def __post_init__(self) -> None:
        for option in ("epochs", "batch_size", "save_every", "rollouts"):
            at_least("recipe", option, getattr(self, option), 1)
        one_of("recipe", "optimizer", self.optimizer, ("sgd", "adamw"))
        one_of("recipe", "precision", self.precision, ("float32", "bfloat16", "float16"))
        one_of("recipe", "class_weights", self.class_weights, ("none", "balanced"))
        one_of("recipe", "keep", self.keep, ("last", "best"))
        if self.lr is None:
            object.__setattr__(self, "lr", USUAL_LR[self.optimizer])
        if self.weight_decay is None:
            object.__setattr__(self, "weight_decay", USUAL_DECAY[self.optimizer])
        self._check("lr", above=0.0)
        self._check("attention_lr", above=0.0)
        for option in ("weight_decay", "warmup_epochs", "mixup", "cutmix", "clip", "policy_weight", "policy_entropy"):
            self._check(option)
        self._check("coverage")
        for option in ("momentum", "label_smoothing", "ema"):
            self._check(option, below=1.0)
        self._check("teacher_forcing")
        if self.teacher_forcing > 1:
            raise OptionError(
                f"recipe: teacher_forcing={self.teacher_forcing!r} is not allowed; it must be a share from 0 to 1."
            )
        if self.warmup_epochs >= self.epochs:
            raise OptionError(
                f"recipe: warmup_epochs={self.warmup_epochs} is not allowed with epochs={self.epochs}; the warm-up "
                f"must end before the training does: choose less than {self.epochs}, or more epochs."
            )

    def _check(self, option: str, *, above: float | None = None, below: float | None = None) -> None:
        """Raises an error unless the option is a finite number of at least 0, above `above` and below `below`."""
        value = getattr(self, option)
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not number or value < 0 or (above is not None and value <= above) or (below is not None and value >= below):
            least = "more than 0" if above is not None else "at least 0"
            most = f" and less than {below:g}" if below is not None else ""
            raise OptionError(f"recipe: {option}={value!r} is not allowed; it must be a number of {least}{most}.")

    def to_json(self) -> dict[str, int | float | str | bool]:
        """Returns the settings by name, with JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: Mapping[str, object]) -> "Recipe":
        """Returns the recipe of `settings`; missing names have their default, unknown ones are an error."""
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise unknown_name("setting of a recipe", name, known)
        return cls(**settings)  # type: ignore[arg-type]
