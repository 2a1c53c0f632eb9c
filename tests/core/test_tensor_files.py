"""A file of regard is read without its tensors; every fault of another file is said."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from regard.core import CheckpointError
from regard.core.tensor_files import ENTRY, file_fault, read_metadata, read_tensors


@pytest.fixture
def path(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors", metadata={ENTRY: json.dumps({"kind": "weights"})})
    return tmp_path / "w.safetensors"


def test_metadata_and_tensors_are_read(path):
    assert read_metadata(path) == {"kind": "weights"}
    assert read_tensors(path)[0]["a"].tolist() == [1, 1]
    assert file_fault(path) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (pickle.dumps({"a": 1}), "this is a pickle"), (b"no weights at all", "not a safetensors file")],
)
def test_other_files_are_refused_in_a_sentence(path, content, said):
    path.write_bytes(content)
    assert said in file_fault(path)
    with pytest.raises(CheckpointError, match=said):
        read_tensors(path)


def test_a_truncated_file_is_told(path):
    path.write_bytes(path.read_bytes()[:-3])
    assert "is truncated" in file_fault(path)
