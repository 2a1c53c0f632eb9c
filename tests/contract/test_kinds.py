"""Kinds of maps are distinguished by their axes, in one table; nothing else compares their names."""

import ast

import pytest

from regard.core.kinds import KINDS
from tests.contract.sources import PACKAGE, ROOT, modules

NAMES = {kind.name for kind in KINDS}
TABLE = PACKAGE / "core" / "kinds.py"


def names_in(node):
    """The names of kinds that a literal is or holds."""
    found = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return [name for name in found if name in NAMES]


def reads_kind(node):
    """Returns whether an expression is a map's or a tap's kind, or the name of one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        node = node.args[0]
    if isinstance(node, ast.Attribute) and node.attr == "name":
        node = node.value
    return isinstance(node, ast.Attribute | ast.Name) and getattr(node, "attr", getattr(node, "id", "")) == "kind"


def by_name(tree):
    """The lines that compare a kind of map with a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(reads_kind, sides)) and any(names_in(side) for side in sides):
                yield node.lineno
        elif isinstance(node, ast.Match):
            if reads_kind(node.subject) and any(names_in(case.pattern) for case in node.cases):
                yield node.lineno
        elif isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if len(keys) > 1 and NAMES.issuperset(keys):
                yield node.lineno
        elif isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
            known = [isinstance(one, ast.Constant) and one.value in NAMES for one in node.elts]
            yield from [node.lineno] * all(known)


@pytest.mark.parametrize(
    "code",
    [
        'if tap.kind == "gate": pass',
        'if map.kind.name in ("spatial", x): pass',
        'if str(seen.kind) != "branch": pass',
        'match tap.kind.name:\n    case "grid": pass',
        'WORDS = {"gate": 1, "spatial": 2}',
        'BOTH = ("spatial", "mixed")',
    ],
)
def test_a_comparison_of_kind_names_is_found(code):
    assert [*by_name(ast.parse(code))]


@pytest.mark.parametrize(
    "code",
    [
        'if facts.kind == "hard": pass',
        'if node.kind == "map": pass',
        'if name == "gate": pass',
        'FAMILIES = {"channel": 1, "spatial": 2, "mixed": 3}',
        'SHAPES = ("channel", "spatial")',
        'self.gate = Tap("spatial")',
    ],
)
def test_other_words_are_left_alone(code):
    assert not [*by_name(ast.parse(code))]


def test_only_the_table_knows_kinds_by_name():
    files = [path for path in (*modules(), *sorted((ROOT / "docs").rglob("*.py"))) if path != TABLE]
    found = [
        f"{path.relative_to(ROOT)}:{line}: read the axes of the kind instead (regard.core.kinds)"
        for path in files
        for line in by_name(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)
