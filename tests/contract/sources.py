"""The package's source files, as the contract tests look at them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "regard"


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def python_files() -> list[Path]:
    """Every Python file of the package, its tests and the files at the root."""
    return (
        modules()
        + sorted((ROOT / "tests").rglob("*.py"))
        + sorted(ROOT.glob("*.py"))
        + sorted((ROOT / "docs").rglob("*.py"))
        + sorted((ROOT / "benchmarks").rglob("*.py"))
    )


@cache
def tree(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """`regard.core.tap` for its file; a package's name for its `__init__.py`.

    >>> module_name(PACKAGE / "core" / "__init__.py")
    'regard.core'
    """
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def has_code(path: Path) -> bool:
    """Returns whether the file defines a function or a class, and does more than import."""
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree(path).body)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    text = function.body[0]
    return lines - ((text.end_lineno or text.lineno) - text.lineno + 1)
