"""The precision in which statistics are taken under autocast."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from regard.core.precision import HALF_PRECISION
from regard.testing.checks.numerics import word
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, during
from regard.testing.subject import Subject, run

REDUCTIONS = frozenset(
    {
        "mean",
        "sum",
        "nansum",
        "prod",
        "cumsum",
        "var",
        "var_mean",
        "std",
        "std_mean",
        "norm",
        "linalg_vector_norm",
        "logsumexp",
        "_softmax",
        "_log_softmax",
        "avg_pool2d",
        "avg_pool3d",
        "_adaptive_avg_pool2d",
        "_adaptive_avg_pool3d",
    }
)
"""Operators that make a rounded number of many values; a maximum is exact in any dtype."""

PRODUCTS = frozenset({"mm", "bmm", "addmm", "baddbmm", "mv", "dot"})
"""Matrix products. Those with a parameter are layers, those of features alone compare positions or channels."""


def statistics(subject: Subject) -> None:
    """In half precision and under autocast its means, standard deviations, softmax and fixed products are float32.

    A product with a matrix that is neither learned nor made of x, but of sizes, is a mean over windows, an
    interpolation or a transform: a statistic, which autocast would compute in half precision.
    """
    if subject.facts is None:
        raise CheckSkippedError("The module has no facts, so the precision of its statistics is its own business.")
    for dims in subject.dims:
        for training in (False, True):
            _widely(subject, dims, training, torch.float32, cast=True)
            _widely(subject, dims, training, torch.bfloat16, cast=True)
            _widely(subject, dims, training, torch.float16, cast=False)


def _widely(subject: Subject, dims: int, training: bool, dtype: torch.dtype, *, cast: bool) -> None:
    """Fails where a statistic of x in `dtype` is in half precision; with `cast` under autocast, else in `dtype`."""
    module = subject.stir(dims=dims).to(torch.float32 if cast else dtype).train(training)
    inputs = tuple(x.to(dtype) for x in subject.inputs(tuple(range(4, 4 + dims))))
    what = f"x {tuple(inputs[0].shape)} in {word(dtype)}" + " under autocast to bfloat16" * cast
    watch = _Statistics((*inputs, *module.parameters()))
    with during(what), torch.no_grad(), torch.autocast(subject.device.type, torch.bfloat16, enabled=cast), watch:
        run(module, inputs)
    for statistic in watch.narrow:
        raise CheckFailedError(
            f"{what}: {statistic}; take it in float32: widen what it is taken of, and make products without autocast."
        )


class _Statistics(TorchDispatchMode):
    """Notes the statistics that ran inside in half precision, in words.

    Args:
        sources: the inputs and parameters; other tensors are fixed.
    """

    def __init__(self, sources: Iterable[Tensor]) -> None:
        super().__init__()
        # Views share their storage. It is kept, so that no other takes its address.
        self.varies = {x.untyped_storage()._cdata: x.untyped_storage() for x in sources}
        self.narrow: list[str] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        if any(self._varies(x) for x in given):
            self.varies |= {x.untyped_storage()._cdata: x.untyped_storage() for x in made}
            name = operator.overloadpacket.__name__
            fixed = [x for x in given if x.ndim > 1 and not self._varies(x)]
            if any(x.dtype in HALF_PRECISION for x in made):
                if name in REDUCTIONS:
                    self.narrow.append(f"{name} of {tuple(given[0].shape)} gives {word(made[0].dtype)}")
                elif name in PRODUCTS and fixed:
                    self.narrow.append(f"{name} with a fixed {tuple(fixed[0].shape)} gives {word(made[0].dtype)}")
        return result

    def _varies(self, x: Tensor) -> bool:
        return x.untyped_storage()._cdata in self.varies
