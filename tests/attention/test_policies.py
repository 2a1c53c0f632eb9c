import math

import pytest
import torch
from torch.distributions import Normal

from regard.attention.policies import GaussianPolicy, GridPolicy, roll_out
from regard.core import Draws, OptionError


def of(images, **given):
    return Draws(seed=3, indices=torch.arange(images), **given)


def test_a_position_has_the_probability_of_its_distribution():
    policy, mean = GaussianPolicy(0.3), torch.tensor([[0.0, 0.2], [0.9, -0.9]], dtype=torch.float64)
    noise = torch.tensor([[1.0, -0.5], [2.0, -2.0]], dtype=torch.float64)
    value, log_prob, entropy, _ = policy(mean, noise)
    drawn, normal = mean + 0.3 * noise, Normal(mean, 0.3)
    torch.testing.assert_close(log_prob, normal.log_prob(drawn).sum(1))
    torch.testing.assert_close(entropy, normal.entropy().sum(1))
    assert torch.equal(value, drawn.clamp(-1, 1))
    assert value[1].tolist() == [1, -1], "clamped, while the log-probability is that of the position as drawn"


def test_positions_scatter_by_the_standard_deviation():
    policy = GaussianPolicy(0.1)
    positions = policy(torch.zeros(4000, 2), policy.noise(of(4000), 1)[0]).value
    assert (positions.mean(0).abs() < 4 * 0.1 / 4000**0.5).all()
    assert ((positions.std(0) - 0.1).abs() < 4 * 0.1 / 8000**0.5).all()


def test_a_gaussian_gradient_is_exact_on_average():
    """The mean of (reward - b) grad log p is the gradient of the expected reward, here of -(position - 0.5)^2."""
    n, std = 40_000, 0.2
    mean = torch.zeros(n, 2, dtype=torch.float64, requires_grad=True)
    policy = GaussianPolicy(std)
    value, log_prob, *_ = policy(mean, policy.noise(of(n), 1)[0])
    reward = -(value - 0.5).square().sum(1)
    (log_prob * (reward + 0.6)).sum().backward()
    # d/dm of -E(m + s e - 0.5)^2 = -2 (m - 0.5)
    error = mean.grad.std(0) / n**0.5
    assert ((mean.grad.mean(0) - 1.0).abs() < 4 * error).all()


def test_the_schedule_falls_from_first_to_last():
    policy = GaussianPolicy(0.2, spread="scheduled", last=0.06, epochs=10)
    values = [policy.std_at(epoch) for epoch in range(13)]
    assert values[0] == 0.2
    assert values[5] == pytest.approx(0.13)
    assert values[10:] == pytest.approx([0.06] * 3)
    assert values == sorted(values, reverse=True)
    assert GaussianPolicy(0.2).std_at(99) == 0.2


def test_a_learned_standard_deviation_has_a_gradient():
    policy = GaussianPolicy(0.2, spread="learned")
    assert policy.std_at(0).item() == pytest.approx(0.2)
    policy(torch.zeros(8, 2), torch.randn(8, 2)).log_prob.sum().backward()
    assert policy.log_std.grad != 0


def test_cells_are_centred_with_their_probability():
    policy = GridPolicy((2, 3))
    assert policy.centres[0].tolist() == pytest.approx([-2 / 3, -0.5])
    logits = torch.tensor([0.0, 1.0, 0.5, -1.0, 0.0, 2.0]).repeat(4000, 1)
    value, log_prob, entropy, _ = policy(logits, policy.noise(of(4000), 1)[0])
    p = logits[0].softmax(0)
    for cell, centre in enumerate(policy.centres):
        here = (value == centre).all(1)
        assert abs(here.float().mean() - p[cell]) < 4 * (p[cell] * (1 - p[cell]) / 4000) ** 0.5
        torch.testing.assert_close(log_prob[here], p[cell].log().expand(int(here.sum())))
    torch.testing.assert_close(entropy[0], -(p * p.log()).sum())
    assert torch.equal(policy(logits).value[0], policy.centres[5])


@pytest.mark.parametrize("policy", [GaussianPolicy(0.1), GridPolicy((3, 3))])
def test_nan_is_never_a_position(policy):
    given = torch.full((2, policy.inputs), math.nan)
    assert policy(given).value.isnan().all()
    assert policy(given, policy.noise(of(2), 1)[0]).value.isnan().all()


def test_rollouts_of_an_image_follow_one_another():
    draws = of(3, epoch=2)
    noise = roll_out(draws, 2, lambda one: one.normal(4, 2))
    assert noise.shape == (4, 6, 2)
    for rollout in range(2):
        alone = draws.at(rollout=rollout).normal(4, 2)
        assert torch.equal(noise[:, rollout::2], alone.transpose(0, 1))


@pytest.mark.parametrize("options", [{"std": 0.0}, {"spread": "narrow"}, {"last": -1.0}, {"epochs": 0}])
def test_a_wrong_gaussian_is_refused(options):
    with pytest.raises(OptionError, match=f"policy: {next(iter(options))}=.* is not allowed"):
        GaussianPolicy(**{"std": 0.1, **options})


@pytest.mark.parametrize("cells", [(0, 3), 4, (2, 2, 2)])
def test_a_wrong_grid_is_refused(cells):
    with pytest.raises(OptionError, match="policy: cells="):
        GridPolicy(cells)


@pytest.mark.parametrize("policy", [GaussianPolicy(0.3), GridPolicy((2, 2))])
def test_the_score_is_the_gradient_of_log_probability(policy):
    given = torch.randn(3, policy.inputs).requires_grad_()
    sample = policy(given, policy.noise(of(3), 1)[0])
    sample.log_prob.sum().backward()
    torch.testing.assert_close(sample.score, given.grad)
