"""Search against all answers there are, and a batch against its members."""

from itertools import product

import pytest
import torch

from regard.core import OptionError
from regard.core.vocabulary import BEGIN, END, PAD
from regard.models import create_seq2seq
from regard.models.search import search

SYMBOLS = 6


@pytest.fixture(scope="module")
def net():
    made = create_seq2seq(
        "seq2seq:hidden=8,embedding=4",
        source_symbols=9,
        target_symbols=SYMBOLS,
        attention="additive:start=random",
        seed=1,
    ).double()
    with torch.no_grad():
        made.decoder.fc.weight *= 8  # sharper, so that answers differ
    return made.eval()


@pytest.fixture(scope="module")
def sources():
    return torch.randint(4, 9, (4, 5), generator=torch.Generator().manual_seed(0)), torch.tensor([5, 3, 4, 1])


def every_answer(net, encoded, longest, penalty):
    """The best of all answers that end, by their true scores."""
    letters = [symbol for symbol in range(SYMBOLS) if symbol not in (PAD, BEGIN, END)]
    best = (-1e9, ())
    for length in range(longest):
        for word in product(letters, repeat=length):
            wanted = torch.tensor([[*word, END]])
            logits = net.decoder(torch.tensor([[BEGIN, *word]]), encoded).log_softmax(2)
            score = float(logits.gather(2, wanted.unsqueeze(2)).sum()) / (length + 1) ** penalty
            best = max(best, (score, (*word, END)))
    return best


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_wide_beams_find_the_best_answer(net, sources, penalty):
    with torch.no_grad():
        found = search(net.decoder, net.encode(*sources), beams=64, longest=3, length_penalty=penalty)
        for row in range(2):
            encoded = net.encode(sources[0][row : row + 1], sources[1][row : row + 1])
            score, word = every_answer(net, encoded, 3, penalty)
            assert tuple(s for s in found.symbols[row].tolist() if s != PAD) == word
            assert float(found.scores[row]) == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_is_searched_like_its_members(net, sources, beams):
    together = net.answer(*sources, beams=beams, longest=8)
    for row in range(len(sources[0])):
        length = int(sources[1][row])
        alone = net.answer(sources[0][row : row + 1, :length], sources[1][row : row + 1], beams=beams, longest=8)
        width = alone.symbols.shape[1]
        assert together.symbols[row, :width].tolist() == alone.symbols[0].tolist()
        assert not together.symbols[row, width:].any()
        torch.testing.assert_close(together.scores[row], alone.scores[0], rtol=0, atol=1e-5)


def test_greedy_takes_the_likeliest_symbol(net, sources):
    found = net.answer(*sources, longest=6)
    given = torch.cat((torch.full((4, 1), BEGIN), found.symbols[:, :-1]), 1)
    with torch.no_grad():
        logits = net(*sources, given)
    logits[:, :, [PAD, BEGIN]] = -1e9
    there = found.symbols != PAD
    assert torch.equal(logits.argmax(2)[there], found.symbols[there])


def test_more_beams_are_no_worse(net, sources):
    one, many = (net.answer(*sources, beams=beams, longest=5, length_penalty=0.0) for beams in (2, 64))
    assert bool((many.scores >= one.scores - 1e-6).all())


def test_an_answer_that_never_ends_is_cut(net, sources):
    with torch.no_grad():
        bias = net.decoder.fc.bias.clone()
        net.decoder.fc.bias[END] = -torch.inf
        for beams in (1, 2):
            assert net.answer(*sources, beams=beams, longest=4).symbols.shape == (4, 4)
        net.decoder.fc.bias.copy_(bias)
    with pytest.raises(OptionError, match="beams=0"):
        net.answer(*sources, beams=0)
