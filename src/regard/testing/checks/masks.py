"""Masks of sequences are exact, in values and in gradients."""

import itertools

import torch
from torch import Tensor

from regard.core.kinds import Axis
from regard.core.tap import taps
from regard.testing.comparison import agree, finite
from regard.testing.outcomes import CheckFailedError, during
from regard.testing.sequential import LENGTHS, Given, SequentialSubject, run_gradients

EXACT = 1e-12
"""As far as results may differ in float64, relative to their largest magnitude."""


def mixed_lengths(subject: SequentialSubject) -> None:
    """A batch of mixed lengths gives what its sequences give one by one, gradients too, to 1e-12 in float64."""
    given = subject.given()
    for module in subject.modes():
        together = run_gradients(module, given)
        sums = {name: torch.zeros_like(value) for name, value in together.items()}
        for number, length in enumerate(LENGTHS):
            if not length:
                continue
            alone = run_gradients(module, given.row(number), rows=slice(number, number + 1))
            for name, value in alone.items():
                if name.startswith("the gradient of") and name.rpartition(" ")[2] not in ("query", "keys", "values"):
                    sums[name] += value
                    continue
                row = together[name][number : number + 1]
                if value.shape != row.shape:
                    row = row.narrow(*_padded_axis(value, row))
                agree(row, value, EXACT, f"{name} of a sequence of {length} in a batch of {max(LENGTHS)} steps")
        for name, value in sums.items():
            if name.startswith("the gradient of") and name.rpartition(" ")[2] not in ("query", "keys", "values"):
                agree(together[name], value, EXACT, f"{name} of a batch, against the sum over its sequences")


def padding(subject: SequentialSubject) -> None:
    """NaN and infinity in masked positions change nothing, neither values nor gradients, with any mask."""
    for rows in (False, True):
        clean = subject.given(rows=rows)
        for module, need_weights in itertools.product(subject.modes(), (True, False)):
            want = run_gradients(module, clean, need_weights=need_weights)
            for filling in (torch.nan, torch.inf, -torch.inf):
                got = run_gradients(module, _filled(clean, filling), need_weights=need_weights)
                for name, value in want.items():
                    agree(got[name], value, 0.0, f"with {filling} in masked positions a value of {name}")


def one_query_sees_it(subject: SequentialSubject) -> None:
    """With a mask for each query, NaN that one query may see reaches that one alone."""
    given = subject.given()
    assert given.mask is not None
    mask = given.mask.unsqueeze(1).repeat(1, given.query.shape[1], 1)
    mask[0, 1:, 2] = False
    keys, values = given.keys.clone(), given.values.clone()
    keys[0, 2], values[0, 2] = torch.nan, torch.nan
    module = subject.module()
    for need_weights in (True, False):
        context = module(given.query, keys, values, mask=mask, need_weights=need_weights).context
        if module.has_state:
            # A later step knows of an earlier one, so only other sequences are left alone.
            finite(context[1:], "the context of another sequence")
            continue
        finite(context[0, 1:], "the context of a query that may not see it")
        finite(context[1:], "the context of another sequence")
        if not _looks(module, given, mask):
            continue
        if bool(context[0, 0].isfinite().any()):
            raise CheckFailedError("NaN that a query may see is not in its context: it was dropped in silence.")


def nothing_allowed(subject: SequentialSubject) -> None:
    """A sequence of which nothing is allowed gives context 0 and weights 0, and finite gradients."""
    given = subject.given()
    empty = LENGTHS.index(0)
    for module in subject.modes():
        for need_weights in (True, False):
            found = run_gradients(module, given, need_weights=need_weights)
            for name, value in found.items():
                finite(value, name)
            parts = ("context", "weights", *(f"the gradient of {leaf}" for leaf in ("query", "keys", "values")))
            for name in parts if need_weights else (parts[0], *parts[2:]):
                row = found[name][empty]
                agree(row, torch.zeros_like(row), 0.0, f"where nothing is allowed a value of {name}")


def weights(subject: SequentialSubject) -> None:
    """Weights are 0 where the mask is False, in the range of their tap, and sum to one, or are 0, where it says so."""
    for rows in (False, True):
        given = subject.given(rows=rows)
        assert given.mask is not None
        mask = given.mask if rows else given.mask.unsqueeze(1)
        for module in subject.modes():
            with during("a forward pass"), torch.no_grad():
                found = module(given.query, given.keys, given.values, mask=given.mask).weights
            if bool((found[(~mask).expand_as(found)] != 0).any()):
                raise CheckFailedError("A weight is not 0 where the mask is False.")
            for tap in taps(module).values():
                if bool(((found < tap.low) | (found > tap.high)).any()):
                    raise CheckFailedError(f"A weight lies outside the tap's range, {tap.low:g} to {tap.high:g}.")
                if Axis.SOURCE in tap.shares:
                    some = (found != 0).any(-1).to(found.dtype)
                    agree(found.sum(-1), some, EXACT, "the sum of the weights of a query")


def _looks(module: torch.nn.Module, given: Given, mask: Tensor) -> bool:
    """True if the first query of the first sequence gives its third key a weight."""
    return bool(module(given.query, given.keys, given.values, mask=mask).weights[0, 0, 2] > 0)


def _filled(given: Given, filling: float) -> Given:
    """The same with `filling` in every masked position, and in queries that may see nothing."""
    assert given.mask is not None
    rows = given.mask if given.mask.ndim == 3 else given.mask.unsqueeze(1)
    hidden, blind = ~rows.any(1).unsqueeze(-1), ~rows.any(-1, keepdim=True)
    return Given(
        given.query.masked_fill(blind, filling),
        given.keys.masked_fill(hidden, filling),
        given.values.masked_fill(hidden, filling),
        given.mask,
    )


def _padded_axis(alone: Tensor, row: Tensor) -> tuple[int, int, int]:
    axis = next(axis for axis in range(row.ndim) if row.shape[axis] != alone.shape[axis])
    return axis, 0, alone.shape[axis]
