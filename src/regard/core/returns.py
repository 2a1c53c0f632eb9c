"""Results of mechanisms and networks that are more than one tensor of features."""

from typing import Any, NamedTuple

from torch import Tensor


class Memory(NamedTuple):
    """The keys and values that a temporal mechanism attends to, projected once for a whole sequence.

    Attributes:
        keys: (b, k, d), as the mechanism scores them.
        values: (b, k, dv), as it adds them up.
        mask: (b, k) or (b, q, k), bool, True where attention is allowed; None allows all.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor | None


class Attended(NamedTuple):
    """The result of a temporal mechanism.

    Attributes:
        context: (b, q, dv), the weighted sums of the values; (b, dv) for a single query (b, dq).
        weights: (b, q, k), or (b, k) for a single query; 0 where the mask is False; None unless `need_weights`.
        state: the input of the next step, such as the last alignment; it is never kept on the module.
    """

    context: Tensor
    weights: Tensor | None
    state: Tensor | None


class Sample(NamedTuple):
    """The choice of a hard mechanism for each image.

    Attributes:
        value: (b, ...), the choice: a position, a mask of positions, the index of a branch.
        log_prob: (b,), the logarithm of its probability, with its graph; None for a relaxed form, whose value has one.
        entropy: (b,), of the distribution that it was drawn from; None where it has no closed form.
        score: (b, p), the gradient of `log_prob` by the p numbers that make the distribution, without a graph; times
            the reward it is the estimate of the policy gradient, so its variance is logged.
    """

    value: Tensor
    log_prob: Tensor | None
    entropy: Tensor | None
    score: Tensor | None = None


class Answer(NamedTuple):
    """The result of a network with hard attention.

    Attributes:
        logits: (b, classes).
        samples: the choices that led to them, in their order; none of a network that chooses nothing.
        baseline: (b, number of samples), the reward that the network expected before each choice; None where it
            expects none.
        looks: (b, t, classes), the logits after each of t looks; None of a network that looks once.
        used: (b,) int64, how many looks led to `logits`; None where it was all of them.
    """

    logits: Tensor
    samples: tuple[Sample, ...]
    baseline: Tensor | None = None
    looks: Tensor | None = None
    used: Tensor | None = None


def logits_of(output: Any) -> Any:
    """The logits of an `Answer`; the result of any other network is returned unchanged."""
    return output.logits if isinstance(output, Answer) else output
