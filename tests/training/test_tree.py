"""Any tree that a checkpoint can be comes back as it was."""

import json

import pytest
import torch
from torch import nn

from regard.core import CheckpointError
from regard.training.tree import flatten, unflatten


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert [type(k) for k in a] == [type(k) for k in b]
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


def test_trees_come_back_through_json():
    tree = {
        "": {"empty": {}, "none": None, "list": [], "tuple": ()},
        "state": {0: {"step": torch.tensor(3.0)}, 1: (torch.zeros(2, dtype=torch.int64), [True, 0.1 + 0.2])},
        "__tensor__": "a name of ours",
        "mixed": {1: "a", "1": torch.ones(0, 3), None: 2, (1, "b"): 1.5, 2.5: float("inf")},
        "a/b": torch.ones(1),
        "a": {"b": torch.zeros(1, dtype=torch.bfloat16)},
    }
    tensors, rest = flatten(tree)
    assert len(tensors) == 5
    same(unflatten(json.loads(json.dumps(rest)), tensors), tree)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_the_state_of_an_optimizer_is_restored(make):
    net = nn.Linear(3, 2)
    optimizer = make(net.parameters(), lr=0.1, weight_decay=0.1)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    tensors, rest = flatten(optimizer.state_dict())
    again = make(net.parameters(), lr=0.5)
    again.load_state_dict(unflatten(json.loads(json.dumps(rest)), tensors))
    same(again.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_layout_in_memory_is_kept(layout):
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=layout)
    tensors, rest = flatten({"x": x})
    assert all(t.is_contiguous() for t in tensors.values())
    back = unflatten(rest, tensors)["x"]
    assert torch.equal(back, x)
    assert back.stride() == x.stride()


def test_views_and_gaps_become_plain():
    x = torch.arange(12.0).reshape(3, 4)
    tensors, rest = flatten([x[:, ::2], x.t(), x.expand(2, 3, 4)])
    assert all(t.is_contiguous() for t in tensors.values())
    same(unflatten(rest, tensors), [x[:, ::2], x.t(), x.expand(2, 3, 4)])


def test_what_would_need_a_pickle_is_a_bug():
    with pytest.raises(TypeError, match="a/0: a complex cannot be stored"):
        flatten({"a": [1j]})


def test_a_missing_tensor_is_named():
    tensors, rest = flatten({"a": torch.ones(1)})
    tensors.clear()
    with pytest.raises(CheckpointError, match="'a'"):
        unflatten(rest, tensors)
