"""The rules of the house: mirrored tests, small files, no junk rooms, no function that shares a module's name."""

import importlib
import pkgutil
import types

import pytest

import regard
from tests.contract.sources import PACKAGE, ROOT, functions, has_code, length, module_name, modules, python_files

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
JUNK = {"utils", "util", "common", "helpers", "helper", "misc"}

COVERED_ELSEWHERE: dict[str, str] = {}
"""Modules without a test file of their own, with the reason."""

OVER_A_ROOM = {
    "tests/attention/test_conformance.py": "the conformance suite over the whole catalogue",
    "tests/attention/test_fuzz.py": "random inputs and options over the whole catalogue",
    "tests/attention/test_gpu.py": "the conformance suite over the whole catalogue on a CUDA device",
}
"""Test files that mirror no single module, with what they test."""

OF_DATA = {"tests/recipes/test_shipped.py": "the trained network in src/regard/models/pretrained"}
"""Test files of what is no module."""


def relative(path):
    return str(path.relative_to(ROOT))


def test_every_module_has_its_test_file():
    missing = []
    for path in modules():
        inside = path.relative_to(PACKAGE)
        test = ROOT / "tests" / inside.with_name(f"test_{path.name}")
        if path.name != "__init__.py" and has_code(path) and module_name(path) not in COVERED_ELSEWHERE:
            missing += [] if test.exists() else [f"{relative(path)} has no {relative(test)}"]
    assert not missing, "\n".join(missing)


def test_every_exception_is_still_needed():
    names = {module_name(path): path for path in modules()}
    for name in COVERED_ELSEWHERE:
        assert name in names, f"{name} no longer exists"
        inside = names[name].relative_to(PACKAGE)
        assert not (ROOT / "tests" / inside.with_name(f"test_{inside.name}")).exists(), f"{name} has a test file now"


def test_every_test_file_mirrors_a_module():
    extra = []
    for test in sorted((ROOT / "tests").rglob("test_*.py")):
        inside = test.relative_to(ROOT / "tests")
        source = PACKAGE / inside.with_name(test.name.removeprefix("test_"))
        folder = PACKAGE / inside.with_name(test.stem.removeprefix("test_"))
        mirrors = source.exists() or folder.is_dir() or relative(test) in OVER_A_ROOM
        if inside.parts[0] != "contract" and not mirrors:
            extra.append(relative(test))
    assert not extra, "These mirror no module: " + ", ".join(extra)


def test_files_are_short():
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert not {path: n for path, n in lengths.items() if n > LONGEST_FILE}


def test_functions_are_short():
    lengths = {f"{relative(path)}:{f.lineno} {f.name}": length(f) for path in python_files() for f in functions(path)}
    assert not {where: n for where, n in lengths.items() if n > LONGEST_FUNCTION}


def test_no_room_has_a_catch_all_name():
    named = {part for path in python_files() for part in (*path.parent.parts, path.stem)}
    assert not named & JUNK


def packages():
    found = [module.name for module in pkgutil.walk_packages(regard.__path__, "regard.") if module.ispkg]
    return ["regard", *found]


@pytest.mark.parametrize("name", packages())
def test_no_public_name_is_also_a_module(name):
    package = importlib.import_module(name)
    inside = {module.name for module in pkgutil.iter_modules(package.__path__)}
    public = set(getattr(package, "__all__", ()))
    assert not public & inside
    assert not [n for n in public if isinstance(getattr(package, n), types.ModuleType)]
    assert len(public) == len(getattr(package, "__all__", ())), "a name is twice in __all__"
