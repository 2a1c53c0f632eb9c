"""The doctor says what is here and advises only where something is wrong."""

import importlib.util
import os
import shutil
import sys
from collections import namedtuple

import pytest
import torch

from regard.kernels import operators
from regard.recipes import doctor
from regard.recipes.doctor import examine

needs_kernels = pytest.mark.skipif(operators.LEVEL is None, reason=f"no kernels in C++: {operators.WHY_NOT}")


def test_findings_are_those_of_this_machine():
    findings = examine().findings
    assert findings["torch"] == torch.__version__
    assert findings["threads"].startswith(f"{torch.get_num_threads()} of ")
    assert ("cuda" in findings["device"]) == torch.cuda.is_available()
    assert "apply_gate" in findings["kernels"] or operators.WHY_NOT in findings["kernels"]


def test_a_full_disk_is_advised_on(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1e9, 9e8, 1e8))
    assert any("0.1 GB are free" in advice for advice in examine().advice)


def test_more_threads_than_cores_are_advised_on(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    assert any("10000 threads" in advice for advice in examine().advice)


def test_a_missing_extra_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "timm" else found(name))
    assert examine().findings["extra timm"] == "not installed: timm"


@pytest.mark.parametrize(("found", "said"), [({"MALLOC_ARENA_MAX": "2"}, True), ({"MALLOC_MMAP_MAX_": "0"}, False)])
def test_half_set_allocators_are_advised_on(monkeypatch, found, said):
    monkeypatch.setattr(doctor, "set_by_user", lambda: found)
    monkeypatch.setattr(doctor, "loaded_allocator", lambda: None)
    assert any("MALLOC_ARENA_MAX sets the allocator" in advice for advice in examine().advice) == said


@pytest.mark.parametrize(("reason", "said"), [(None, True), ("jemalloc is loaded", False)])
def test_the_reuse_of_memory_is_told(monkeypatch, reason, said):
    monkeypatch.setattr(doctor, "obstacle", lambda: reason)
    assert ("compare and bench keep freed memory" in examine().findings["allocator"]) == said


@pytest.mark.parametrize(("free", "said"), [(64e6, True), (2e9, False), (None, False)])
def test_little_shared_memory_is_advised_on(monkeypatch, free, said):
    monkeypatch.setattr(doctor, "free_bytes", lambda: free)
    health = examine()
    assert any("--shm-size" in advice and "64 MB" in advice for advice in health.advice) == said
    assert health.findings["shared memory"].startswith("this system" if free is None else f"{free / 1e9:.2f} GB")


def test_missing_kernels_are_advised_on(monkeypatch):
    monkeypatch.setattr(operators, "LEVEL", None)
    monkeypatch.setattr(operators, "WHY_NOT", "there was no C++ compiler")
    monkeypatch.setattr(sys, "platform", "linux")
    health = examine()
    assert health.findings["kernels"] == "plain PyTorch; those in C++ are missing: there was no C++ compiler"
    assert any("no C++ compiler. Results are the same" in advice for advice in health.advice)


@needs_kernels
def test_kernels_and_their_instructions_are_named():
    said, _, others = examine().findings["kernels"].partition("; plain PyTorch for ")
    assert said.startswith(f"C++ ({operators.LEVEL}) for squeeze_positions")
    assert "apply_gate" in said
    assert "apply_gate" not in others


@needs_kernels
@pytest.mark.parametrize("age", [-5, 5])
def test_old_kernels_are_advised_on(monkeypatch, tmp_path, age):
    (tmp_path / "cpp").mkdir()
    for name, seconds in (("_cpu.abi3.so", 1000), ("cpp/ops.cpp", 1000 - age)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))
    monkeypatch.setattr(operators, "__file__", str(tmp_path / "operators.py"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert any("older than their sources" in advice for advice in examine().advice) == (age < 0)
