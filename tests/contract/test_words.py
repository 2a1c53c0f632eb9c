"""The words of the house: the field's terms where private ones had grown (DESIGN.md, "Plain words")."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
PAGES = [ROOT / "README.md", ROOT / "DESIGN.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEMPLATES = sorted((ROOT / "src").rglob("*.jinja"))

PLAIN = {
    r"pictures?": "image",
    r"trunks?": "backbone",
    r"weigh(s|ed|ing)?": "rescales, gates or weights",
    r"(?<!standard )deviations?": "standard deviation",
    r"what training makes small": "the loss",
    r"taken for": "confusion matrix",
    r"three straight lines": "piecewise linear",
    r"the text (has|says)": "the paper writes",
    r"out of the noise": "is significant",
    r"(trials|they) are there already": "already finished",
    r"taken half": "loaded partially",
    r"as the memory was": "uninitialised",
    r"makes no number": "returns NaN",
    r"choices and looks": "model selection and test-set access",
    r"(?<!in )places(?! (it|them|boxes|a|the)\b)": "positions, sites or indices",
}
"""A private word as a regular expression, and the field's term for it."""

QUESTIONS = ("What", "Whether", "How", "Where", "Which", "Who", "When")


@pytest.mark.parametrize("word", PLAIN)
def test_private_words_are_gone(word):
    pattern = re.compile(rf"(?<![\w-]){word}(?![\w-])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in (*SOURCES, *PAGES, *TEMPLATES)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"say {PLAIN[word]!r}:\n" + "\n".join(found)


def test_docstrings_begin_with_what_a_thing_is():
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = (ast.get_docstring(node) or "").partition(" ")[0]
                if first in QUESTIONS:
                    found.append(f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'the file')}: {first} ...")
    assert not found, "begin with a verb or a noun:\n" + "\n".join(found)


def test_no_variable_hides_map():
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        fields = {id(line.target) for body in bodies for line in body if isinstance(line, ast.AnnAssign)}
        for node in ast.walk(tree):
            stored = isinstance(node, ast.Name) and node.id == "map" and isinstance(node.ctx, ast.Store)
            if (stored and id(node) not in fields) or (isinstance(node, ast.arg) and node.arg == "map"):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found, "say what the map is: gate, mask, attn, weights:\n" + "\n".join(found)


def test_names_of_tests_have_at_most_eight_words():
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name.count("_") > 8
    ]
    assert not found, "\n".join(found)
