"""Build the kernels in C++ where PyTorch and a compiler are there; all else about the package is in pyproject.toml.

An install never fails for want of them: the reason is left beside the place of the extension, where `regard doctor`
reads it, and plain PyTorch computes the same. The binary uses PyTorch's stable ABI and nothing of Python's, so that one
file serves all versions of both.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CPP = Path("src/regard/kernels/cpp")
SKIP = "REGARD_NO_EXTENSION"
OLDEST_TORCH = "0x020b000000000000ULL"  # 2.11, as in pyproject.toml
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-Wno-psabi", f"-DTORCH_TARGET_VERSION={OLDEST_TORCH}")


class NotBuiltError(Exception):
    """There is no extension; the message ends a sentence that begins "The kernels in C++ are missing:"."""


class BuildKernels(build_ext):
    """Makes the extension, or leaves the reason why not, at its place: in the sources for an editable install."""

    def run(self) -> None:
        """Builds what is older than its sources."""
        for extension in self.extensions:
            place = Path(self.get_ext_fullpath(extension.name))
            reason = place.with_name("_cpu.txt")  # `regard.kernels.operators` reads it
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                if os.environ.get(SKIP):
                    raise NotBuiltError(f"{SKIP} was set at the installation")
                if not _is_newer(place, extension):
                    _build(extension.sources, place, Path(self.build_temp))
            except NotBuiltError as error:
                place.unlink(missing_ok=True)  # one that was built from other sources would take other arguments
                reason.write_text(f"{error}\n", encoding="utf-8")
                self.warn(f"regard is installed without its kernels in C++, plain PyTorch computes the same: {error}")
            else:
                reason.unlink(missing_ok=True)


def _is_newer(place: Path, extension: Extension) -> bool:
    sources = (*extension.sources, *extension.depends)
    return place.exists() and place.stat().st_mtime >= max(os.stat(source).st_mtime for source in sources)


def _build(sources: list[str], place: Path, work: Path) -> None:
    if not sys.platform.startswith("linux"):
        raise NotBuiltError("they are built on Linux only")
    torch, compiler, start = _find_torch(), _find_compiler(), time.time()
    work.mkdir(parents=True, exist_ok=True)

    def compile_one(source: str) -> str:
        made = str(work / f"{Path(source).stem}.o")
        _call([*compiler, *FLAGS, "-isystem", str(torch / "include"), "-c", source, "-o", made])
        return made

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(compile_one, sources))
    part = place.with_suffix(".part")
    _call([*compiler, "-shared", *objects, "-L", str(torch / "lib"), "-ltorch_cpu", "-o", str(part)])
    os.utime(part, (start, start))  # a source that was changed meanwhile is newer
    part.replace(place)  # whole at once: another process may have the old one loaded


def _find_torch() -> Path:
    """The folder of the installed PyTorch, without importing it."""
    spec = find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        raise NotBuiltError(
            "PyTorch was not there at the build, which needs --no-build-isolation and torch installed before"
        )
    folder = Path(spec.submodule_search_locations[0])
    if not (folder / "include/torch/csrc/stable/library.h").exists():
        raise NotBuiltError(f"the PyTorch in {folder} has no headers of the stable ABI; regard needs torch>=2.11")
    return folder


def _find_compiler() -> list[str]:
    for command in filter(None, (os.environ.get("CXX"), "g++", "c++")):
        words = shlex.split(command)
        if shutil.which(words[0]):
            return words
    raise NotBuiltError("there was no C++ compiler (g++, c++ or $CXX) at the installation")


def _call(command: list[str]) -> None:
    print(shlex.join(command), flush=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotBuiltError(f"{command[0]} could not be run ({error})") from None
    sys.stderr.write(done.stderr)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        first = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise NotBuiltError(f"{command[0]} failed: {first}")


KERNELS = Extension(
    "regard.kernels._cpu",
    sources=[path.as_posix() for path in sorted(CPP.glob("*.cpp"))],
    depends=[*(path.as_posix() for path in sorted(CPP.glob("*.h"))), "setup.py"],
    py_limited_api=True,
)
# No wheel for the limited API can be made by a Python without the GIL.
ONE_WHEEL = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}

setup(ext_modules=[KERNELS], cmdclass={"build_ext": BuildKernels}, options=ONE_WHEEL)
