"""A temporal mechanism under test: fresh modules of it, sequences of mixed lengths, and all that comes of them."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.core.errors import OptionError
from regard.core.returns import Attended
from regard.core.seeding import use_seed
from regard.core.temporal import Temporal
from regard.testing.outcomes import brief

Sequential = Temporal | Callable[[int, int], Temporal]

LENGTHS = (6, 3, 0, 5)
"""Steps of the sequences of a batch, filled up to the longest; one has none."""


@dataclass(frozen=True, eq=False)
class Given:
    """The inputs of a forward pass."""

    query: Tensor
    keys: Tensor
    values: Tensor
    mask: Tensor | None

    def row(self, number: int) -> "Given":
        """One sequence of the batch by itself, without padding."""
        assert self.mask is not None
        one, length = slice(number, number + 1), int(self.mask[number].sum())
        return Given(self.query[one], self.keys[one, :length], self.values[one, :length], None)

    def to(self, dtype: torch.dtype) -> "Given":
        """The same in another dtype."""
        return replace(self, query=self.query.to(dtype), keys=self.keys.to(dtype), values=self.values.to(dtype))


@dataclass(frozen=True, eq=False)
class SequentialSubject:
    """A mechanism under test.

    Attributes:
        name: what sentences call it.
        make: a new module as it starts; the argument chooses other initial values.
        builds: what takes query_size, key_size and options; None where there is only an instance.
        query_size: dq.
        key_size: dk.
    """

    name: str
    make: Callable[[int], Temporal]
    builds: Callable[..., Temporal] | None
    query_size: int
    key_size: int

    def module(self, *, training: bool = False, dtype: torch.dtype = torch.float64, draw: int = 0) -> Temporal:
        """A module as training might have left it: nothing is still 0."""
        module = self.make(draw)
        with use_seed("regard.testing", "stir", draw), torch.no_grad():
            for parameter in module.parameters():
                fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
                parameter.add_(torch.randn_like(parameter), alpha=1 / math.sqrt(fan_in))
        return module.to(dtype).train(training)

    def modes(self) -> Iterator[Temporal]:
        """A module in evaluation, and one in training, unless training adds noise."""
        yield self.module()
        module, given = self.module(training=True), self.given()
        with torch.no_grad():
            first, second = (module(given.query, given.keys).context for _ in range(2))
        if torch.equal(first, second):
            yield module

    def given(self, *, queries: int = 4, rows: bool = False, draw: int = 0) -> Given:
        """A batch of mixed lengths in float64; with `rows` each query has a mask of its own."""
        longest = max(LENGTHS)
        with use_seed("regard.testing", "sequences", draw):
            query = torch.randn(len(LENGTHS), queries, self.query_size, dtype=torch.float64)
            keys = torch.randn(len(LENGTHS), longest, self.key_size, dtype=torch.float64)
            values = torch.randn(len(LENGTHS), longest, 3, dtype=torch.float64)
            mask = torch.arange(longest) < torch.tensor(LENGTHS)[:, None]
            if rows:
                mask = mask.unsqueeze(1) & (torch.rand(len(LENGTHS), queries, longest) > 0.4)
                mask[0, 0] = False
        return Given(query, keys, values, mask)


def sequential_subject(
    mechanism: Sequential, *, query_size: int | None = None, key_size: int | None = None
) -> SequentialSubject:
    """Collects what is known of a mechanism; see `check_temporal` for the arguments and errors."""
    if isinstance(mechanism, Temporal):
        return SequentialSubject(
            mechanism.facts.name,
            lambda draw: copy.deepcopy(mechanism).cpu(),
            None,
            mechanism.query_size,
            mechanism.key_size,
        )
    if not callable(mechanism):
        raise OptionError(
            f"check_temporal: {mechanism!r} is no temporal mechanism. Pass a regard.core.Temporal, its class, or a "
            "function that builds one from query_size and key_size."
        )
    sizes = (5 if query_size is None else query_size, 4 if key_size is None else key_size)

    def make(draw: int) -> Temporal:
        with use_seed("regard.testing", "build", draw):
            return mechanism(*sizes)

    try:
        built = make(0)
    except Exception as error:
        raise OptionError(
            f"check_temporal: it cannot be built from query_size={sizes[0]} and key_size={sizes[1]} ({brief(error)})."
        ) from error
    if not isinstance(built, Temporal):
        raise OptionError(f"check_temporal: it built {type(built).__name__}; it must build a regard.core.Temporal.")
    return SequentialSubject(built.facts.name, make, mechanism, *sizes)


def run_steps(module: Temporal, given: Given, *, need_weights: bool = True) -> Attended:
    """Each query by itself, with what is remembered and the state of the step before."""
    state, steps = None, []
    for step in range(given.query.shape[1]):
        mask = given.mask
        if mask is not None and mask.ndim == 3:
            mask = mask[:, step : step + 1]
        memory = module.remember(given.keys, given.values, mask)
        steps.append(module(given.query[:, step], memory, state=state, need_weights=need_weights))
        state = steps[-1].state
    weights = [step.weights for step in steps if step.weights is not None]
    context = torch.stack([step.context for step in steps], 1)
    return Attended(context, torch.stack(weights, 1) if weights else None, state)


def run_gradients(
    module: Temporal, given: Given, *, rows: slice = slice(None), need_weights: bool = True, of_weights: bool = True
) -> dict[str, Tensor]:
    """The context, the weights, the state, and the gradients of a projection of the first two, by name.

    With `of_weights=False` or without weights the projection is that of the context alone. `rows` says which rows of
    it are meant, where the batch is a part of another.
    """
    with use_seed("regard.testing", "upstream"):
        size = (len(LENGTHS), given.query.shape[1])
        to_context = torch.randn(*size, given.values.shape[2], dtype=torch.float64)[rows]
        to_weights = torch.randn(*size, max(LENGTHS), dtype=torch.float64)[rows, :, : given.keys.shape[1]]
    leaves = {name: getattr(given, name).clone().requires_grad_() for name in ("query", "keys", "values")}
    module.zero_grad()
    context, weights, state = module(**leaves, mask=given.mask, need_weights=need_weights)
    loss = (context * to_context).sum()
    if weights is not None and of_weights:
        loss = loss + (weights * to_weights).sum()
    loss.backward()
    parts = {"context": context, "weights": weights, "state": state}
    found = {name: part for name, part in parts.items() if part is not None}
    wanted = leaves | dict(module.named_parameters())
    gradients = {
        f"the gradient of {name}": torch.zeros_like(leaf) if leaf.grad is None else leaf.grad.clone()
        for name, leaf in wanted.items()
    }
    return {name: value.detach() for name, value in (found | gradients).items()}
