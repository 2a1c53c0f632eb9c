import pickle

import pytest
import torch

from regard.core import Draws, Facts, Hard, HardFeatures, Looker, OptionError, Paper, Sample, ShapeError, drawing


class Pointed(Hard):
    """Chooses a position by its mean."""

    facts = Facts(
        name="pointed",
        family="spatial",
        kind="hard",
        returns="sample",
        paper=Paper(title="Points", authors="A B", year=2020, venue="V", identifier="arXiv:2000.00000"),
    )

    def forward(self, x, draws=None):
        self.expect(x)
        logits = x.mean(1).flatten(1)
        chosen = (logits if draws is None else logits + draws.gumbel(logits.shape[1])).argmax(1)
        log_prob = logits.log_softmax(1).gather(1, chosen[:, None]).squeeze(1)
        return Sample(chosen, log_prob, torch.distributions.Categorical(logits=logits).entropy())


def test_it_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Hard(8)


def test_it_is_greedy_without_draws():
    x = torch.randn(3, 4, 5)
    assert torch.equal(Pointed(4)(x).value, x.mean(1).argmax(1))


def test_the_batch_split_changes_no_sample():
    module, x = Pointed(4), torch.randn(6, 4, 5)
    draws = Draws(seed=1, indices=torch.arange(6), epoch=2)
    whole = module(x, draws).value
    rows = torch.arange(6).split(4)
    parts = [module(x[part], Draws(seed=1, indices=part, epoch=2)).value for part in rows]
    assert torch.equal(whole, torch.cat(parts))


def test_wrong_channels_and_features_are_said():
    with pytest.raises(OptionError, match="pointed: channels=0 is not allowed"):
        Pointed(0)
    with pytest.raises(ShapeError, match="pointed: x has shape"):
        Pointed(4)(torch.zeros(2, 3, 5))


class Coin(HardFeatures):
    """Keeps or drops each image."""

    facts = Pointed.facts

    def forward(self, x):
        if self.chance is None:
            return x
        self.chance.prices.append(x.sum())
        return x * (self.chance.draws.uniform(1) > 0.5).reshape(-1, 1, 1)


def test_drawing_gives_chance_and_takes_it_back():
    net, x = torch.nn.Sequential(Coin(4), Coin(4)), torch.ones(64, 4, 5)
    draws = Draws(seed=1, indices=torch.arange(64))
    with drawing(net, draws) as prices:
        first = net(x)
        assert 0 < first.mean() < 0.5, "two coins, each by its own path"
        assert len(prices) == 2
        assert pickle.loads(pickle.dumps(net))[0].chance is None
    assert torch.equal(net(x), x)
    with pytest.raises(ValueError, match="inside"), drawing(net, draws):
        raise ValueError("inside")
    assert net[0].chance is None


def test_a_compiled_network_draws_the_same():
    net, x = torch.nn.Sequential(Coin(4)), torch.ones(8, 4, 5)
    draws = Draws(seed=1, indices=torch.arange(8))
    with drawing(net, draws):
        want = net(x)
    with drawing(torch.compile(net, backend="eager"), draws):
        assert torch.equal(net(x), want)


def test_a_looker_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Looker()
