"""The kernels in C++ are there wherever they can be built, safe in other processes, and missing with a reason."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from regard.kernels import apply_gate, operators, squeeze_positions
from tests.contract.sources import ROOT

SKIP = "REGARD_NO_EXTENSION"
COMPILER = shutil.which("g++") or shutil.which("c++")

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernels are built on Linux only")
needs_kernels = pytest.mark.skipif(operators.LEVEL is None, reason=f"no kernels in C++: {operators.WHY_NOT}")


def gate(seed, layout=torch.contiguous_format):
    """A gate that is large enough for two threads and its gradient."""
    x = torch.randn(3, 64, 33, 33, generator=torch.Generator().manual_seed(seed)).to(memory_format=layout)
    squeezed = squeeze_positions(x.requires_grad_(), "mean", impl="cpu")
    y = apply_gate(squeezed, squeezed[0].sigmoid()[..., None, None], impl="cpu")
    y.square().sum().backward()
    return y.detach(), x.grad


class Gated(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return gate(index)


def report_workers_and_threads(method):
    """Prints whether a loader's process computes the same, and the threads there after gates on one and on two."""
    threads = []
    for wanted in (1, 2):
        torch.set_num_threads(wanted)
        expected = [gate(seed) for seed in range(2)]
        threads.append(len(os.listdir("/proc/self/task")))
    loader = DataLoader(Gated(), batch_size=None, num_workers=1, multiprocessing_context=method)
    torch.testing.assert_close([list(pair) for pair in loader], [list(pair) for pair in expected])
    print(json.dumps(threads))


def run(*command, **environment):
    keep = {name: value for name, value in os.environ.items() if name not in (SKIP, "CXX")}
    return subprocess.run(
        command, cwd=ROOT, env=keep | environment, capture_output=True, text=True, check=True, timeout=590
    )


@on_linux
@pytest.mark.skipif(COMPILER is None, reason="there is no compiler")
@pytest.mark.skipif(bool(os.environ.get(SKIP)), reason=f"{SKIP} is set")
def test_a_compiler_means_an_extension():
    assert operators.LEVEL is not None, f"{operators.WHY_NOT}; there is {COMPILER}: touch setup.py and run make again"


@needs_kernels
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
@on_linux
def test_workers_compute_the_same_and_threads_are_obeyed(method):
    call = f"from tests.contract.test_extension import *; report_workers_and_threads({method!r})"
    one, two = json.loads(run(sys.executable, "-c", call, OMP_NUM_THREADS="1").stdout)
    assert two == one + 1


@needs_kernels
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_two_threads_compute_what_one_does(layout):
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(gate(0, layout))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(*results)


FALLBACK = """
import torch
from regard.core import OptionError
from regard.kernels import operators, squeeze_positions
x = torch.ones(1, 2, 3)
print(operators.LEVEL, operators.WHY_NOT, *squeeze_positions(x, "mean")[0].tolist(), sep="; ")
try:
    squeeze_positions(x, "mean", impl="cpu")
except OptionError as error:
    print(error)
"""


def test_without_the_extension_plain_pytorch_serves():
    first, second = run(sys.executable, "-c", FALLBACK, **{SKIP: "1"}).stdout.splitlines()
    assert first == f"None; {SKIP} is set; [1.0, 1.0]"
    assert second.startswith("squeeze_positions: impl='cpu' is not available here")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("_cpu.txt", "there was no C++ compiler\n", "there was no C++ compiler"),
        ("_cpu.abi3.so", "no library", "_cpu.abi3.so cannot be loaded"),
        ("other", "", "they were not built"),
    ],
)
def test_why_there_is_no_extension(monkeypatch, tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(operators, "_FOLDER", tmp_path)
    monkeypatch.delenv(SKIP, raising=False)
    level, reason = operators._load()
    assert level is None
    assert reason.startswith(said)


@pytest.fixture
def clone(tmp_path):
    """What a build of the extension reads, with a binary that stands for one built before, newer than its sources."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "src/regard/data/small/NOTICE.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    kernels = tmp_path / "src/regard/kernels"
    shutil.copytree(ROOT / "src/regard/kernels/cpp", kernels / "cpp")
    for folder in (kernels, kernels.parent):
        (folder / "__init__.py").touch()
    (kernels / "_cpu.abi3.so").touch()
    return tmp_path


def build(clone, **environment):
    """The reason that a build in place leaves, which must not fail, or None; and whether there is a binary after it."""
    command = f"import os, runpy, sys; os.chdir({str(clone)!r}); sys.argv[1:] = ['-q', 'build_ext', '--inplace']; "
    run(sys.executable, "-c", command + "runpy.run_path('setup.py')", **environment)
    reason = clone / "src/regard/kernels/_cpu.txt"
    return reason.read_text() if reason.exists() else None, any(reason.parent.glob("*.so"))


@on_linux
def test_what_is_newer_than_its_sources_stays(clone, tmp_path):
    assert build(clone, PATH=str(tmp_path / "nothing")) == (None, True)


@on_linux
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PATH": "/nothing"}, "there was no C++ compiler"),
        ({"CXX": "false"}, "false failed: exit status 1"),
        pytest.param({SKIP: "1"}, f"{SKIP} was set", marks=pytest.mark.long),
    ],
    ids=["no compiler", "failing compiler", "not wanted"],
)
def test_an_install_without_extension_succeeds(clone, environment, said):
    os.utime(clone / "src/regard/kernels/_cpu.abi3.so", (0, 0))
    reason, is_there = build(clone, **environment)
    assert said in reason
    assert not is_there, "a binary that is older than its sources stayed"


@on_linux
@pytest.mark.long
@pytest.mark.skipif(COMPILER is None, reason="there is no compiler")
def test_one_wheel_serves_all_versions(clone, tmp_path):
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps")
    run(*pip, str(clone), "--wheel-dir", str(tmp_path / "wheels"))
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert "-cp311-abi3-linux_" in wheel.name
    inside = zipfile.ZipFile(wheel).namelist()
    assert [name for name in inside if "_cpu" in name] == ["regard/kernels/_cpu.abi3.so"]
    assert not [name for name in inside if Path(name).suffix in (".cpp", ".h")]
