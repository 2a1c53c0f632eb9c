"""Versions are those that the packages themselves report."""

import platform

import lightning
import torch

from regard.recipes.versions import versions


def test_versions_are_those_of_the_packages_that_run():
    found = versions()
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["lightning"] == lightning.__version__
    assert found["python"] == platform.python_version()
    assert {"regard", "torchvision", "numpy", "scipy", "machine"} <= found.keys()
