"""Processes that read images are only begun where their batches fit into the shared memory."""

import warnings

import pytest
import torch

from regard.core import shared_memory
from regard.data import loader, open_source, preprocessing_for


def test_there_is_no_such_folder_everywhere(tmp_path):
    assert shared_memory.free_bytes(tmp_path / "absent") is None
    assert shared_memory.free_bytes(tmp_path) > 0


@pytest.mark.parametrize(("free", "kept"), [(None, 4), (9_000_000, 4), (8_999_999, 0), (0, 0)])
def test_processes_need_room_for_what_they_prepare(monkeypatch, free, kept):
    monkeypatch.setattr(shared_memory, "free_bytes", lambda: free)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert shared_memory.workers_that_fit(4, 1_000_000) == kept
    assert len(said) == (kept == 0)
    assert all("need 9 MB of shared memory" in str(w.message) and "--shm-size" in str(w.message) for w in said)


def test_no_process_needs_no_room(monkeypatch):
    monkeypatch.setattr(shared_memory, "free_bytes", lambda: 0)
    assert shared_memory.workers_that_fit(0, 10**9) == 0


def test_a_loader_reads_the_same_in_one_process(monkeypatch):
    monkeypatch.setattr(shared_memory, "free_bytes", lambda: 1000)
    source = open_source("mnist-mini")
    val, preprocessing = source.splits["val"], preprocessing_for(source)
    with pytest.warns(UserWarning, match="images are read in one process"):
        batches = loader(val, preprocessing, batch_size=100, workers=2)
    assert batches.num_workers == 0
    expected = next(iter(loader(val, preprocessing, batch_size=100)))
    assert torch.equal(next(iter(batches)).images, expected.images)
