"""No recipe imports another in a circle, not even inside a function or for its types alone."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.contract.sources import PACKAGE, module_name, tree

RECIPES = "regard.recipes"


def imports(path, names):
    """The modules of `names` that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & names


def circle(graph):
    """The modules of a circle, or none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_recipes_import_one_another_in_no_circle():
    paths = {module_name(path): path for path in (PACKAGE / "recipes").rglob("*.py") if path.name != "__init__.py"}
    graph = {name: imports(path, set(paths)) for name, path in paths.items()}
    assert sum(map(len, graph.values())) > len(paths) / 2
    assert not circle(graph), " -> ".join(circle(graph))


@pytest.mark.parametrize(
    "line", ["from regard.recipes import b", "import regard.recipes.b", "def f():\n    from regard.recipes.b import c"]
)
def test_an_import_is_found_wherever_it_stands(tmp_path, line):
    path = tmp_path / "a.py"
    path.write_text(line)
    assert imports(path, {f"{RECIPES}.a", f"{RECIPES}.b"}) == {f"{RECIPES}.b"}
    assert circle({"a": {"b"}, "b": {"a"}})
