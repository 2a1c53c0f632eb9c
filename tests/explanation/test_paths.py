import pytest
import torch
from torch import nn

from regard.core import RegardError, Tap, UnknownNameError
from regard.explanation.paths import find_taps
from tests.explanation.nets import classifier


def make_nested():
    return nn.ModuleDict(
        {"layer1": nn.ModuleDict({"a": Tap("gate"), "b": Tap("spatial")}), "layer10": nn.ModuleDict({"a": Tap("gate")})}
    )


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (None, ["layer1.a", "layer1.b", "layer10.a"]),
        ("layer1.b", ["layer1.b"]),
        ("layer1", ["layer1.a", "layer1.b"]),
        ("*.a", ["layer1.a", "layer10.a"]),
        (["layer10", "layer1.a"], ["layer1.a", "layer10.a"]),
    ],
)
def test_paths_modules_and_patterns_select_taps(paths, found):
    assert list(find_taps(make_nested(), paths)) == found


def test_a_path_that_fits_nothing_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'layer1\.a'"):
        find_taps(make_nested(), "layer1.c")


def test_network_without_taps_error_has_remedy():
    with pytest.raises(RegardError, match=r"Linear has no taps.*Build it with an attention mechanism"):
        find_taps(nn.Linear(2, 2))


def test_wrappers_do_not_change_the_names():
    net = classifier("cbam")
    plain = list(find_taps(net))
    net[3] = torch.compile(net[3], backend="eager")
    assert list(find_taps(nn.DataParallel(torch.compile(net, backend="eager")))) == plain
    net[3]._orig_mod.channel.gate = torch.compile(net[3]._orig_mod.channel.gate, backend="eager")
    assert list(find_taps(net)) == plain
