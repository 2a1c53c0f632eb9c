import pytest
import torch

from regard.core import Draws, OptionError, ShapeError
from regard.core.look_record import LookRecord
from regard.models.initialisation import initialise
from regard.models.look_back import LookBack


def look(mechanism, **options):
    return initialise(LookBack(mechanism, query_size=4, key_size=6, **options), 0)


def test_a_soft_context_is_a_weighted_sum():
    net, keys, query = look("additive:start=random"), torch.randn(2, 5, 6), torch.randn(2, 4)
    record = LookRecord()
    context, _ = net(query, net.remember(keys), record=record)
    assert net.has_weights
    torch.testing.assert_close(context, torch.einsum("bk,bkd->bd", record.weights[0], keys))


def test_sca_cnn_is_steered_by_the_query():
    net, keys, query = look("sca_cnn:hidden=3"), torch.randn(2, 5, 6), torch.randn(2, 4)
    context, _ = net(query, net.remember(keys))
    torch.testing.assert_close(context, net.mechanism(keys.transpose(1, 2), query).mean(2))
    assert not torch.equal(context, net(-query, net.remember(keys))[0])


def test_a_hard_look_is_one_position():
    net, keys, query = look("hard_spatial:hidden=3"), torch.randn(2, 5, 6), torch.randn(2, 4)
    record = LookRecord(Draws(0, torch.arange(2)))
    context, _ = net(query, net.remember(keys), record=record)
    assert ((context.unsqueeze(1) - keys).abs().amax(2) < 1e-6).any(1).all()
    assert record.samples[0].log_prob.shape == (2,)
    assert net(query, net.remember(keys))[0].shape == (2, 6)
    assert record.steps == 1


def test_the_gate_rescales_the_context():
    net, keys, query = look("additive", gate=True), torch.randn(2, 5, 6), torch.randn(2, 4)
    bare = LookBack._look(net, query, net.remember(keys), None, None)[0]
    torch.testing.assert_close(net(query, net.remember(keys))[0], torch.sigmoid(net.gate(query)) * bare)


def test_what_cannot_look_back():
    with pytest.raises(OptionError, match="by the state of a decoder"):
        look("se")
    with pytest.raises(OptionError, match="by the state of a decoder"):
        look("sca_cnn:state_size=4")
    mask = torch.tensor([[True, False]])
    with pytest.raises(ShapeError, match="a mask that leaves positions out"):
        look("hard_spatial").remember(torch.randn(1, 2, 6), mask)
