"""A count written as a formula, as facts state it: `2*c*h + c where h = max(1, c // reduction)`."""

import math
from collections.abc import Mapping
from types import MappingProxyType

FUNCTIONS: Mapping[str, object] = MappingProxyType(
    {
        "abs": abs,
        "ceil": math.ceil,
        "floor": math.floor,
        "gcd": math.gcd,
        "len": len,
        "log2": math.log2,
        "max": max,
        "min": min,
        "prod": math.prod,
        "range": range,
        "round": round,
        "sum": sum,
    }
)
"""Functions that a formula may call besides Python's operators."""


def evaluate(formula: str, values: Mapping[str, object]) -> int:
    """The number that a formula gives.

    Args:
        formula: a Python expression, and after `where` definitions of names it uses, separated by semicolons; each
            may use those before it. It is code of ours, never text of a user.
        values: of the other names.

    Example:
        >>> evaluate("2*c*h + bias*(h + c) where h = max(1, c // reduction)", {"c": 64, "reduction": 16, "bias": True})
        580
    """
    expression, _, definitions = formula.partition(" where ")
    known = {**FUNCTIONS, **values, "__builtins__": {}}
    for definition in filter(str.strip, definitions.split(";")):
        name, _, meaning = definition.partition("=")
        known[name.strip()] = eval(meaning.strip(), known)
    return int(eval(expression.strip(), known))
