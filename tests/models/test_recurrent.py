import pytest
import torch

from regard.attention import create
from regard.models.recurrent import Decoder, Encoded, Encoder

LENGTHS = torch.tensor([7, 1, 4])


def encoder(**options):
    torch.manual_seed(0)
    return Encoder(11, embedding=5, hidden=6, **options).double()


def source():
    return torch.randint(4, 11, (3, 7), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_packing_changes_rounding_only(cell):
    net, given = encoder(layers=2, cell=cell), source()
    grads = []
    for packed in (True, False):
        states, last = net(given, LENGTHS, packed=packed)
        net.zero_grad()
        (states.square().sum() + last.sum()).backward()
        grads.append((states, last, *(p.grad.clone() for p in net.parameters())))
    torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=1e-12)
    assert states.shape == (3, 7, 12)
    assert not states[2, 4:].any()


@pytest.mark.parametrize("packed", [True, False])
def test_a_batch_equals_its_members(packed):
    net, given = encoder(layers=2), source()
    given[2, 4:] = 9
    states, last = net(given, LENGTHS, packed=packed)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, end = net(given[row : row + 1, :length], LENGTHS[row : row + 1], packed=packed)
        torch.testing.assert_close(states[row, :length], alone[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(last[row], end[0], rtol=0, atol=1e-12)


def decoder(feed, attention="additive", **options):
    torch.manual_seed(0)
    mechanism = None if attention is None else create(attention, query_size=6, key_size=8)
    return Decoder(9, embedding=5, hidden=6, context=8, attention=mechanism, feed=feed, **options).double()


def encoded(net):
    states = torch.randn(3, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    mask = torch.arange(7) < LENGTHS[:, None]
    memory = None if net.attention is None else net.attention.remember(states, mask=mask)
    return Encoded(memory, states[:, 0])


@pytest.mark.parametrize("attention", ["additive:start=random", "multiplicative:score=general", "coverage", None])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_all_steps_at_once_equal_one_by_one(attention, cell):
    net = decoder("nothing", attention, cell=cell)
    symbols = torch.randint(4, 9, (3, 5), generator=torch.Generator().manual_seed(3))
    given = encoded(net)
    every = torch.ones_like(symbols, dtype=torch.bool)
    torch.testing.assert_close(net(symbols, given), net(symbols, given, every), rtol=0, atol=1e-12)


@pytest.mark.parametrize("feed", ["context", "readout", "nothing"])
def test_symbols_that_are_not_forced_are_the_likeliest(feed):
    net = decoder(feed, "additive:start=random")
    symbols, given = torch.randint(4, 9, (3, 4)), encoded(net)
    free = net(symbols, given, torch.zeros_like(symbols, dtype=torch.bool))
    written = torch.cat((symbols[:, :1], free.argmax(2)[:, :-1]), 1)
    torch.testing.assert_close(free, net(written, given), rtol=0, atol=1e-12)


@pytest.mark.parametrize("readout", [True, False])
def test_without_attention_the_context_is_the_last_state(readout):
    net = decoder("context", None, readout=readout)
    given, symbols = encoded(net), torch.randint(4, 9, (3, 4))
    moved = Encoded(None, given.last + 1)
    assert (net(symbols, given) - net(symbols, moved)).abs().min() > 0
