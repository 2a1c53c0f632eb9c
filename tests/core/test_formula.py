import pytest

from regard.core.formula import evaluate


@pytest.mark.parametrize(
    ("formula", "values", "number"),
    [
        ("2*c", {"c": 3}, 6),
        ("2*c*h + bias*(h + c) where h = max(1, c // reduction)", {"c": 64, "reduction": 16, "bias": True}, 580),
        ("2*c*h + bias*(h + c) where h = max(1, c // reduction)", {"c": 8, "reduction": 16, "bias": False}, 16),
        ("a + b where a = 2*c; b = a*a", {"c": 3}, 42),
        ("sum(k**dims for k in sizes)", {"sizes": (3, 5), "dims": 2}, 34),
        ("c if form == 'short' else 2*c", {"form": "long", "c": 5}, 10),
        ("size or 2*floor(log2(c)) + 1", {"size": None, "c": 9}, 7),
        ("c // gcd(c, 4)", {"c": 6}, 3),
    ],
)
def test_a_formula_defines_names_after_where(formula, values, number):
    assert evaluate(formula, values) == number


def test_nothing_but_the_listed_functions_can_be_called():
    with pytest.raises(NameError):
        evaluate("open('x')", {})
