"""Freed memory is kept where the user has not set the allocator himself, and only when it is asked for."""

import os
import subprocess
import sys

import pytest
import torch

from regard.core import allocator

GLIBC = sys.platform == "linux" and allocator.platform.libc_ver()[0] == "glibc"
PROGRAM = """
import runpy, sys
there = runpy.run_path(sys.argv[1])
count = there["page_faults"]

def faults():
    b"x" * 64_000_000
    before = count()
    for _ in range(3):
        b"x" * 64_000_000
    return count() - before

print(faults(), there["reuse_memory"](), faults(), there["describe_allocator"]())
"""


@pytest.mark.skipif(not GLIBC, reason="needs glibc")
def test_freed_memory_is_reused_without_page_faults():
    clean = {name: value for name, value in os.environ.items() if name not in allocator.set_by_user()}
    command = [sys.executable, "-c", PROGRAM, allocator.__file__]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=True)
    before, kept, after, words = done.stdout.strip().split(" ", 3)
    assert kept == "True"
    assert int(after) < 10 < int(before)
    assert "keeps freed memory" in words


def test_a_setting_of_the_user_is_left_alone(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000000")
    monkeypatch.setattr(allocator, "_reused", False)
    assert not allocator.reuse_memory()
    assert "MALLOC_TRIM_THRESHOLD_" in allocator.obstacle()
    assert "MALLOC_TRIM_THRESHOLD_=1000000" in allocator.describe_allocator() or allocator.loaded_allocator()


def test_another_allocator_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator, "set_by_user", dict)
    monkeypatch.setattr(allocator, "loaded_allocator", lambda: "jemalloc")
    monkeypatch.setattr(allocator, "_reused", False)
    assert not allocator.reuse_memory()
    assert allocator.obstacle() == "jemalloc is loaded"
    assert allocator.describe_allocator() == "jemalloc"


def test_another_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator, "set_by_user", dict)
    monkeypatch.setattr(allocator, "loaded_allocator", lambda: None)
    monkeypatch.setattr(allocator, "_reused", False)
    assert not allocator.reuse_memory()
    assert "not glibc" in allocator.obstacle()


def test_work_on_a_gpu_changes_nothing(monkeypatch):
    monkeypatch.setattr(allocator, "_reused", False)
    assert not allocator.reuse_memory(torch.device("cuda"))
    assert not allocator._reused


def test_tunables_of_the_allocator_alone_count():
    assert allocator.set_by_user({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"})
    assert not allocator.set_by_user({"GLIBC_TUNABLES": "glibc.cpu.x86_shstk=off"})
