"""Hosts and their children: classes are exchanged and put back, copies and conversions keep the child."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from regard.core import SurgeryError
from regard.surgery.attended import attach, attended, detach, is_attended, is_inserted, refusal


class Double(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.factor * x


def host():
    torch.manual_seed(0)
    return nn.BatchNorm2d(3).eval()


def test_the_child_runs_after_the_host():
    bn, x = host(), torch.randn(2, 3, 4, 4)
    before = bn(x)
    attach(bn, Double())
    assert torch.equal(bn(x), 2 * before)
    assert isinstance(bn, nn.BatchNorm2d)
    detach(bn)
    assert type(bn) is nn.BatchNorm2d
    assert torch.equal(bn(x), before)


def test_one_class_serves_all_hosts_of_a_base():
    first, second = host(), host()
    attach(first, Double())
    attach(second, Double())
    assert type(first) is type(second) is attended(nn.BatchNorm2d)


def test_the_child_takes_over_the_training_flag():
    bn = host()
    attach(bn, Double().train())
    assert not bn.attention.training


class Around(nn.Module):
    def __init__(self, host, attention):
        super().__init__()
        self.host, self.attention = host, attention

    def forward(self, x):
        return self.attention(self.host(x))


def test_a_child_taken_out_may_be_written_in():
    bn, x = host(), torch.randn(2, 3, 4, 4)
    attach(bn, Double())
    after = bn(x)
    written = Around(bn, detach(bn))
    assert type(written) is Around
    assert torch.equal(written(x), after)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_has_a_child_of_its_own(again):
    bn, x = host(), torch.randn(2, 3, 4, 4)
    attach(bn, Double())
    other = again(bn)
    assert torch.equal(other(x), bn(x))
    with torch.no_grad():
        other.attention.factor.fill_(3.0)
    assert not torch.equal(other(x), bn(x))
    assert is_inserted(other.attention)
    assert not is_inserted(detach(other))
    assert type(other) is nn.BatchNorm2d


def test_conversion_to_synchronised_normalisation_keeps_the_child():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), host())
    attach(net[1], Double())
    x = torch.randn(2, 3, 4, 4)
    before = net.eval()(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert isinstance(converted[1], nn.SyncBatchNorm)
    assert torch.equal(converted.eval()(x), before)
    assert is_attended(converted[1])


def test_a_replacement_that_loses_attention_is_warned_of():
    net = nn.Sequential(host())
    attach(net[0], Double())
    with pytest.warns(UserWarning, match="attention is lost"):
        net.add_module("0", nn.BatchNorm2d(3))


def test_a_parametrized_host_keeps_its_parametrization():
    conv = parametrizations.weight_norm(nn.Conv2d(3, 3, 1))
    kind, x = type(conv), torch.randn(2, 3, 4, 4)
    before = conv(x)
    attach(conv, Double())
    assert torch.equal(conv(x), 2 * before)
    assert parametrize.is_parametrized(conv, "weight")
    detach(conv)
    assert type(conv) is kind
    assert torch.equal(conv(x), before)


def test_a_host_may_be_parametrized_later():
    conv, x = nn.Conv2d(3, 3, 1), torch.randn(2, 3, 4, 4)
    before = conv(x)
    attach(conv, Double())
    parametrizations.weight_norm(conv)
    torch.testing.assert_close(conv(x), 2 * before)
    detach(conv)
    torch.testing.assert_close(conv(x), before)


def test_a_checkpoint_from_before_loads_strictly():
    net = nn.Sequential(host())
    before = copy.deepcopy(net.state_dict())
    attach(net[0], Double())
    with torch.no_grad():
        net[0].attention.factor.fill_(5.0)
    assert net.load_state_dict(before) == ([], [])
    assert net[0].attention.factor == 5.0
    with pytest.raises(RuntimeError, match="Unexpected"):
        net.load_state_dict({**before, "0.other": torch.zeros(())})


class OwnCall(nn.Module):
    def __call__(self, x):
        return x


class OwnAttribute(nn.Identity):
    attention = None


def replaced_forward():
    module = nn.Identity()
    module.forward = lambda x: x
    return module


def attended_already():
    module = nn.Identity()
    attach(module, Double())
    return module


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (OwnCall(), "__call__"),
        (OwnAttribute(), "attribute"),
        (replaced_forward(), "replaced"),
        (attended_already(), "already"),
        (nn.Sequential(nn.Identity()), "children"),
        (nn.LazyBatchNorm2d(), "shapes"),
        (torch.fx.symbolic_trace(nn.Identity()), "generated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_host_that_would_break_is_refused(module, word):
    kind = type(module)
    assert word in refusal(module)
    with pytest.raises(SurgeryError, match=word):
        attach(module, Double())
    assert type(module) is kind
