"""Steps, memories and states of a temporal mechanism, its taps, and its dtypes."""

import torch
from torch import Tensor

from regard.core.errors import ShapeError
from regard.core.precision import wide
from regard.core.returns import Attended
from regard.core.tap import taps
from regard.testing.checks.masks import EXACT
from regard.testing.comparison import agree, finite
from regard.testing.outcomes import CheckFailedError, brief, during
from regard.testing.sequential import SequentialSubject, run_gradients, run_steps
from regard.testing.tolerance import allowed_difference


def shapes(subject: SequentialSubject) -> None:
    """One query or several, own values or none, weights or none: every part of the result has its shape."""
    module, given = subject.module(), subject.given()
    b, q, k = *given.query.shape[:2], given.keys.shape[1]
    for size in (k, 1):
        keys, values = given.keys[:, :size], given.values[:, :size]
        for need_weights in (True, False):
            with during(f"{q} queries and {size} keys"):
                several = module(given.query, keys, values, need_weights=need_weights)
                single = module(given.query[:, 0], keys, need_weights=need_weights)
            if not isinstance(several, Attended):
                raise CheckFailedError(f"It returned {type(several).__name__}; it must be regard.core.Attended.")
            _shape("the context of several queries", several.context, (b, q, values.shape[2]))
            _shape("the context of one query, of keys that are the values,", single.context, (b, subject.key_size))
            if need_weights:
                _shape("the weights of several queries", several.weights, (b, q, size))
                _shape("the weights of one query", single.weights, (b, size))
            elif several.weights is not None:
                raise CheckFailedError("It returned weights with need_weights=False.")
        if (several.state is not None) != module.has_state:
            raise CheckFailedError(
                f"It returned {'a' if several.state is not None else 'no'} state, but its facts "
                f"{'name' if module.has_state else 'do not name'} an input `state`."
            )


def without_weights(subject: SequentialSubject) -> None:
    """need_weights=False gives the same context and gradients, to 1e-12 in float64, with each kind of mask."""
    for module in subject.modes():
        for rows in (False, True):
            given = subject.given(rows=rows)
            asked, not_asked = (
                run_gradients(module, given, need_weights=need, of_weights=False) for need in (True, False)
            )
            for name, value in not_asked.items():
                agree(value, asked[name], EXACT, f"with need_weights=False a value of {name}", scale=1.0)


def step_by_step(subject: SequentialSubject) -> None:
    """Queries one by one, with a memory and the state, give what they give all at once; None is the first step."""
    for module in subject.modes():
        for rows in (False, True):
            given = subject.given(rows=rows)
            want = module(given.query, given.keys, given.values, mask=given.mask)
            with during("a step with a memory and a state"):
                got = run_steps(module, given)
            for name in Attended._fields:
                if getattr(want, name) is not None:
                    agree(getattr(got, name), getattr(want, name), EXACT, f"step by step a value of {name}")


def taps_carry_the_weights(subject: SequentialSubject) -> None:
    """Its one tap sees the weights (b, q, k), though nobody asks for them, and what stands in it is what is applied."""
    module, given = subject.module(), subject.given()
    found = taps(module)
    if len(found) != 1 or not next(iter(found.values())).kind.sequential:
        raise CheckFailedError(f"Its taps are {', '.join(found) or 'none'}; it must have one, of the kind alignment.")
    (tap,) = found.values()
    seen: list[Tensor] = []
    want = module(given.query, given.keys, given.values, mask=given.mask).weights
    tap.sink = seen.append
    module(given.query, given.keys, given.values, mask=given.mask, need_weights=False)
    if not seen:
        raise CheckFailedError("With need_weights=False its tap sees nothing, though it is watched.")
    agree(torch.cat(seen, 1), want, EXACT, "a weight that the tap sees")
    tap.sink, tap.replace = None, lambda values: 0 * values + 0.5
    replaced = module(given.query, given.keys, given.values).context
    half = (0.5 * given.values.sum(1, keepdim=True)).expand_as(replaced)
    agree(replaced, half, EXACT, "with 1/2 in its tap a value of the context")


def dtypes(subject: SequentialSubject) -> None:
    """In half precision too: the context in the values' dtype, weights in at least float32, near those of float64."""
    exact, given = subject.module(), subject.given()
    want = exact(given.query, given.keys, given.values, mask=given.mask).weights
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        module, half = subject.module(dtype=dtype), given.to(dtype)
        with during(f"a forward and backward pass in {dtype}"):
            context, weights, _ = module(half.query, half.keys, half.values.requires_grad_(), mask=half.mask)
            context.sum().backward()
        if context.dtype != dtype or weights.dtype != wide(dtype):
            raise CheckFailedError(
                f"In {dtype} the context has dtype {context.dtype} and the weights {weights.dtype}; they must be "
                f"{dtype} and {wide(dtype)}."
            )
        for name, parameter in module.named_parameters():
            if parameter.grad is not None:
                finite(parameter.grad, f"the gradient of {name} in {dtype}")
        # A choice between keys whose scores are nearly equal may fall otherwise.
        if not bool((want == want.round()).all()):
            agree(weights, want, 32 * allowed_difference(dtype, 8), f"a weight in {dtype}")


def gradcheck(subject: SequentialSubject) -> None:
    """Gradients are those of finite differences, for queries, keys, values and parameters."""
    for module in subject.modes():
        given = subject.given(queries=2)
        names, parameters = zip(*module.named_parameters(), strict=True) if list(module.parameters()) else ((), ())

        def attend(query: Tensor, keys: Tensor, values: Tensor, *changed: Tensor) -> Tensor:
            arguments = {"mask": given.mask}  # noqa: B023
            state = dict(zip(names, changed, strict=True))  # noqa: B023
            found: Attended = torch.func.functional_call(module, state, (query, keys, values), arguments)  # noqa: B023
            return found.context

        leaves = [tensor.detach().clone().requires_grad_() for tensor in (given.query, given.keys, given.values)]
        changed = [parameter.detach().clone().requires_grad_() for parameter in parameters]
        with during("gradcheck"):
            torch.autograd.gradcheck(attend, (*leaves, *changed), fast_mode=True)


def unused_parameters(subject: SequentialSubject) -> None:
    """Every parameter gets a gradient in training."""
    module = subject.module(training=True)
    found = run_gradients(module, subject.given())
    for name, _ in module.named_parameters():
        if not bool(found[f"the gradient of {name}"].any()):
            raise CheckFailedError(f"The parameter {name} gets no gradient.")


def wrong_input(subject: SequentialSubject) -> None:
    """Wrong sizes, and masks that are not bool or do not fit, are a `ShapeError` that says what was given."""
    module, given = subject.module(), subject.given()
    query, keys, values, mask = given.query, given.keys, given.values, given.mask
    assert mask is not None
    for wrong, arguments in (
        (query[..., 1:], {"query": query[..., 1:]}),
        (keys[..., 1:], {"keys": keys[..., 1:]}),
        (values[:, 1:], {"values": values[:, 1:]}),
        (mask.float(), {"mask": mask.float()}),
        (mask[:, 1:], {"mask": mask[:, 1:]}),
        (mask[:, None].repeat(1, 2, 1), {"mask": mask[:, None].repeat(1, 2, 1)}),
    ):
        (name,), word = arguments, str(tuple(wrong.shape))
        try:
            module(**{"query": query, "keys": keys, "values": values, "mask": mask} | arguments)
        except ShapeError as error:
            if word not in str(error):
                raise CheckFailedError(f"{name} {word} raised {brief(error)}; the text should say {word}.") from error
        except Exception as error:
            raise CheckFailedError(f"{name} {word} raised {brief(error)}; it should be a ShapeError.") from error
        else:
            raise CheckFailedError(f"{name} of shape {word} and dtype {wrong.dtype} was accepted.")


def _shape(what: str, found: Tensor | None, wanted: tuple[int, ...]) -> None:
    if found is None or tuple(found.shape) != wanted:
        shape = None if found is None else tuple(found.shape)
        raise CheckFailedError(f"{what} has the shape {shape}; it must be {wanted}.")
