"""The public names and signatures are those of the checked-in file: a change is seen, and meant."""

import difflib

from tests.contract.surface import SURFACE, surface


def test_the_public_surface_is_the_checked_in_one():
    ours, theirs = SURFACE.read_text(encoding="utf-8").splitlines(), surface().splitlines()
    changes = list(difflib.unified_diff(ours, theirs, "api_surface.txt", "the package", lineterm="", n=0))
    remedy = "Where the change is wanted, write the file anew with `make surface` and say it in CHANGELOG.md."
    assert not changes, "\n".join([f"The public surface changed. {remedy}", *changes])
