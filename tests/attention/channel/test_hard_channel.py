import pytest
import torch
from torch import nn, sigmoid

from regard.attention.channel.hard_channel import HardChannel
from regard.core import Draws, OptionError, ShapeError, drawing
from tests.attention.drawn import count, drawn, features


def of(images, **given):
    return Draws(seed=3, indices=torch.arange(images), **given)


def logits_of(module, x):
    """By the formula."""
    hidden = (x.flatten(2).mean(2) @ module.reduce.weight.T + module.reduce.bias).relu()
    return hidden @ module.expand.weight.T + module.expand.bias


def test_without_chance_positive_logits_are_open():
    module, x = drawn(HardChannel(6)), features(3, 6, 4, 5)
    opened = (logits_of(module, x) > 0).double()
    assert 0 < opened.mean() < 1
    assert torch.equal(module(x), x * opened[:, :, None, None])


def test_gates_open_as_often_as_probable():
    module = drawn(HardChannel(4)).train()
    x, seen = features(1, 4, 2, 2).expand(4000, 4, 2, 2), []
    module.gate.sink = seen.append
    with drawing(module, of(4000)):
        module(x)
    p = sigmoid(logits_of(module, x[:1])[0])
    assert set(seen[0].unique().tolist()) <= {0.0, 1.0}
    assert ((seen[0].flatten(1).mean(0) - p).abs() <= 4 * (p * (1 - p) / 4000).sqrt()).all()


def test_the_gradient_is_that_of_the_sigmoid():
    module, x = drawn(HardChannel(4)).train(), features(3, 4, 2, 2)
    upstream = features(3, 4, 2, 2)
    with drawing(module, of(3)):
        noise = module.chance.draws.logistic(4)
        (module(x) * upstream).sum().backward()
    got = module.expand.bias.grad.clone()
    logits = logits_of(module, x)
    soft = sigmoid((logits + noise) / module.temperature)
    want = torch.autograd.grad((soft[:, :, None, None] * x * upstream).sum(), module.expand.bias)[0]
    torch.testing.assert_close(got, want)


def test_open_gates_beyond_the_budget_cost():
    module, x = drawn(HardChannel(4, budget=0.1, price=2.0)).train(), features(3, 4, 2, 2)
    with drawing(module, of(3)) as prices:
        module(x)
    assert float(prices[0]) == pytest.approx(2 * max(0, float(sigmoid(logits_of(module, x)).mean()) - 0.1) ** 2)
    free = drawn(HardChannel(4, budget=1.0)).train()
    with drawing(free, of(3)) as prices:
        free(x)
    assert float(prices[0]) == 0


def test_a_budget_closes_gates():
    torch.manual_seed(0)
    module, x = HardChannel(8, budget=0.25, price=10.0), torch.randn(16, 8, 3, 3)
    optimiser = torch.optim.Adam(module.parameters(), 0.05)
    for step in range(150):
        with drawing(module, of(16, epoch=step)) as prices:
            module(x)
        sum(prices).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert sigmoid(logits_of(module, x)).mean() < 0.35


def test_a_choice_at_the_head_has_its_probability():
    module, x = drawn(HardChannel(3)), features(5, 3, 2, 2)
    value, log_prob, entropy, _ = module.sample(x, of(5))
    p = sigmoid(logits_of(module, x))
    opened = (value.flatten(2).abs().sum(2) > 0).double()
    torch.testing.assert_close(log_prob, (opened * p + (1 - opened) * (1 - p)).log().sum(1))
    torch.testing.assert_close(entropy, -(p * p.log() + (1 - p) * (1 - p).log()).sum(1))
    assert module.sample(x).log_prob is None


def test_evaluation_draws_nothing():
    module, x = drawn(HardChannel(6)), features(3, 6, 4, 5)
    with drawing(module, of(3)) as prices:
        assert torch.equal(module.eval()(x), module(x))
    assert prices == []


def test_draws_for_other_images_are_refused():
    module = HardChannel(4).train()
    with drawing(module, of(5)), pytest.raises(ShapeError, match="draws for 5 images and features of 3"):
        module(torch.randn(3, 4, 2, 2))


def test_modules_of_one_network_draw_apart():
    net = nn.Sequential(HardChannel(32), HardChannel(32)).train()
    seen = []
    net[1].load_state_dict(net[0].state_dict())
    for module in net:
        nn.init.zeros_(module.expand.weight)
        nn.init.zeros_(module.expand.bias)
        module.gate.sink = seen.append
    with drawing(net, of(2)):
        net(torch.randn(2, 32, 2, 2))
    assert not torch.equal(*seen)


def test_counts_and_errors():
    assert count(HardChannel(64)) == HardChannel.count(64) == 2 * 64 * 16 + 16 + 64
    for options in ({"reduction": 0}, {"temperature": 0.0}, {"budget": 0.0}, {"budget": 1.5}, {"price": -1.0}):
        with pytest.raises(OptionError, match=f"hard_channel: {next(iter(options))}=.* is not allowed"):
            HardChannel(8, **options)
