import subprocess
import sys

import pytest
import torch

from regard.core.seeding import generator, key, use_seed


def test_every_part_changes_the_key():
    keys = [key(), key(0), key(1), key("0"), key(0, 1), key(1, 0), key(0, "1"), key("01"), key("0", "1"), key(0, 0)]
    assert len(set(keys)) == len(keys)
    assert all(0 <= k < 2**63 for k in keys)


def test_a_key_is_the_same_in_another_process():
    code = "from regard.core.seeding import key; print(key(3, 'layer1.0.conv1.weight'))"
    environment = {"PYTHONHASHSEED": "17", "PYTHONPATH": ":".join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(other.stdout) == key(3, "layer1.0.conv1.weight")


def test_generators_do_not_depend_on_call_order():
    def draw(name):
        return torch.randn(4, generator=generator(0, name))

    first = {name: draw(name) for name in ("a", "b", "c")}
    torch.manual_seed(123)
    torch.rand(7)
    second = {name: draw(name) for name in ("c", "a", "b")}
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["a"], first["b"])


def test_drawing_inside_seeded_leaves_no_trace_outside():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with use_seed(0, "weight"):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with use_seed(0, "other"), use_seed(0, "weight"):
        assert torch.equal(torch.rand(3), inside)


def test_the_outer_generator_state_is_restored():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(RuntimeError, match="inside"), use_seed(1):
        raise RuntimeError("inside")
    assert torch.equal(torch.rand(3), expected)
    with use_seed(1):
        alone = torch.rand(6)
    with use_seed(1):
        start = torch.rand(3)
        with use_seed(2):
            torch.rand(10)
        assert torch.equal(torch.cat([start, torch.rand(3)]), alone)
