"""The versions of the packages that a result was made with."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("regard", "torch", "torchvision", "lightning", "numpy", "scipy")


def versions(*more: str) -> dict[str, str]:
    """Returns the versions of the packages that affect a result, of Python, and the kind of machine.

    Args:
        more: other packages, where they are installed.

    >>> sorted(versions())[:2]
    ['lightning', 'machine']
    """
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in (*PACKAGES, *more):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
