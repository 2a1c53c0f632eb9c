import pytest
import torch
from torch import nn
from torch.export import Dim, export

from regard.attention.spatial.hard_spatial import HardSpatial
from regard.core import Draws, OptionError
from regard.testing import check_attention
from tests.attention.drawn import drawn, features


class Value(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner = HardSpatial(channels, evaluation="expectation")

    def forward(self, x):
        return self.inner(x).value


def of(images, **given):
    return Draws(seed=3, indices=torch.arange(images), **given)


def exact(module, x):
    """(b, n) the probability of each position, by the formula."""
    tokens = x.flatten(2).transpose(1, 2)
    hidden = torch.tanh(tokens @ module.look.weight.T + module.look.bias)
    return (hidden @ module.score.weight.T).squeeze(2).softmax(1)


def test_a_sample_is_the_feature_at_its_position():
    module, x, seen = drawn(HardSpatial(3)), features(4, 3, 2, 3), []
    module.map.sink = seen.append
    value, log_prob, entropy, _ = module(x, of(4))
    p = exact(module, x)
    chosen = seen[0].flatten(1).argmax(1)
    assert torch.equal(seen[0].flatten(1).sum(1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(value, x.flatten(2)[torch.arange(4), :, chosen])
    torch.testing.assert_close(log_prob, p.gather(1, chosen[:, None]).squeeze(1).log())
    torch.testing.assert_close(entropy, -(p * p.log()).sum(1))


def test_positions_are_drawn_as_often_as_probable():
    module = drawn(HardSpatial(2))
    x = features(1, 2, 2, 2).expand(4000, 2, 2, 2)
    seen = []
    module.map.sink = seen.append
    module(x, of(4000))
    shares, p = seen[0].flatten(1).mean(0), exact(module, x[:1])[0]
    assert ((shares - p).abs() < 4 * (p * (1 - p) / 4000).sqrt()).all()


def test_without_chance_it_takes_the_likeliest():
    module, x = drawn(HardSpatial(3)), features(4, 3, 2, 3)
    p = exact(module, x)
    torch.testing.assert_close(module(x).value, x.flatten(2)[torch.arange(4), :, p.argmax(1)])
    two = drawn(HardSpatial(3, positions=2))
    top = p.topk(2, 1).indices
    want = torch.stack([x.flatten(2)[i, :, rows].mean(1) for i, rows in enumerate(top)])
    torch.testing.assert_close(two(x).value, want)
    assert module(x).log_prob is None


@pytest.mark.parametrize("options", [{"form": "soft"}, {"evaluation": "expectation"}])
def test_the_expectation_is_the_soft_twin(options):
    module, x = drawn(HardSpatial(3, **options)), features(4, 3, 2, 3)
    torch.testing.assert_close(module(x).value, (x.flatten(2) @ exact(module, x).unsqueeze(2)).squeeze(2))


def test_the_policy_gradient_is_exact_on_average():
    """Four positions, a reward for each: the mean of the estimates lies by the exact gradient."""
    torch.manual_seed(0)
    module = drawn(HardSpatial(2, hidden=3))
    n, x = 20_000, features(1, 2, 2, 2)
    rewards = torch.tensor([1.0, 0.2, 0.0, 0.5], dtype=torch.float64)
    weights = [module.score.weight, module.look.weight]
    want = torch.autograd.grad((exact(module, x)[0] * rewards).sum(), weights)
    seen = []
    module.map.sink = seen.append
    log_prob = module(x.expand(n, 2, 2, 2), of(n)).log_prob
    picked = seen[0].flatten(1)
    # One gradient for each position, for every draw of it has the same: log p(position).
    single = [torch.autograd.grad(p.log(), weights, retain_graph=True) for p in exact(module, x)[0]]
    for i, exact_gradient in enumerate(want):
        each = torch.stack([gradient[i] for gradient in single])
        estimates = (picked * (rewards - 0.4)) @ each.flatten(1)
        error = estimates.std(0) / n**0.5
        assert ((estimates.mean(0) - exact_gradient.flatten()).abs() < 4 * error + 1e-12).all()
    loss = (log_prob * (picked @ (rewards - 0.4))).mean()
    got = torch.autograd.grad(loss, weights)
    for i, gradient in enumerate(got):
        each = torch.stack([g[i] for g in single]).flatten(1)
        torch.testing.assert_close(gradient.flatten(), ((picked * (rewards - 0.4)) @ each).mean(0))


def test_the_relaxed_form_has_a_gradient():
    module, x = drawn(HardSpatial(3, form="gumbel")), features(2, 3, 2, 3)
    seen = []
    module.map.sink = seen.append
    value, log_prob, *_ = module(x, of(2))
    value.square().sum().backward()
    assert log_prob is None
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert module.score.weight.grad.abs().max() > 0


def test_semi_sampling_takes_the_expectation_of_its_share():
    module, x = drawn(HardSpatial(3, semi=0.5)), features(1, 3, 2, 3).expand(1000, 3, 2, 3)
    soft = (x[:1].flatten(2) @ exact(module, x[:1]).unsqueeze(2)).squeeze()
    value, log_prob, *_ = module(x, of(1000))
    expected = (value - soft).abs().amax(1) < 1e-12
    assert abs(expected.double().mean() - 0.5) < 4 * 0.5 / 1000**0.5
    assert not log_prob[expected].any()
    assert log_prob[~expected].all()


def test_nan_features_are_never_silent():
    x = torch.zeros(2, 3, 2, 2)
    x[1, 0, 0, 0] = torch.nan
    value = HardSpatial(3)(x).value
    assert value[0].isfinite().all()
    assert value[1].isnan().all()


def test_it_keeps_the_promises():
    check_attention(
        Value,
        keeps_shape=False,
        checks=("shapes", "batch_of_one", "dtypes", "autocast", "gradcheck", "batch_independence", "unused_parameters"),
    )
    check_attention(Value, keeps_shape=False, checks=("deepcopy", "pickle", "determinism"))


@pytest.mark.graph
def test_a_sample_compiles():
    module, x = HardSpatial(3), torch.randn(4, 3, 2, 3)
    quick = torch.compile(module, backend="aot_eager", fullgraph=True)
    for draws in (None, of(4)):
        torch.testing.assert_close(quick(x, draws).value, module(x, draws).value)


def test_counts_and_errors():
    assert sum(p.numel() for p in HardSpatial(6, hidden=5).parameters()) == HardSpatial.count(6, hidden=5) == 40
    for options in ({"form": "hard"}, {"positions": 0}, {"semi": 1.0}, {"temperature": 0.0}, {"evaluation": "mean"}):
        with pytest.raises(OptionError, match=f"hard_spatial: {next(iter(options))}=.* is not allowed"):
            HardSpatial(3, **options)


@pytest.mark.graph
@pytest.mark.parametrize("positions", [1, 3])
def test_an_export_takes_any_batch_and_size(positions):
    class Best(Value):
        def __init__(self):
            super().__init__(4)
            self.inner = HardSpatial(4, positions=positions)

    module, free = Best().eval(), Dim.DYNAMIC
    graph = export(module, (torch.randn(2, 4, 6, 5),), dynamic_shapes=({0: free, 2: free, 3: free},)).module()
    x = torch.randn(3, 4, 9, 7)
    assert torch.equal(graph(x), module(x))
