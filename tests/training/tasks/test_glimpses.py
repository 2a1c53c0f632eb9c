import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from regard import models
from regard.core import Answer, Draws, ImageBatch, Looker, OptionError, Sample, ShapeError
from regard.training import Recipe, fit
from regard.training.tasks.glimpses import Glimpses

CLASSES = ("a", "b", "c")


def batch(n=4, size=9):
    return ImageBatch(torch.randn(n, 1, size, size), torch.arange(n) % 3, torch.arange(n))


def ram(**options):
    torch.manual_seed(0)
    return models.RAM(num_classes=3, in_channels=1, hidden=16, patch=3, glimpses=3, **options)


def draws(n, epoch=0):
    return Draws(seed=5, indices=torch.arange(n), epoch=epoch)


def test_the_loss_is_made_of_its_parts():
    net, given = ram(), batch()
    task = Glimpses(CLASSES, rollouts=2, weight=0.3, entropy=0.1)
    total, parts = task.loss(net, given, draws(4))
    answer = net(given.images, draws(4), 2)
    labels = given.labels.repeat_interleave(2)
    reward = (answer.logits.argmax(1) == labels).float()
    log_prob = torch.stack([sample.log_prob for sample in answer.samples], 1)
    want = {
        "cross_entropy": cross_entropy(answer.logits, labels),
        "reinforce": -(log_prob * (reward[:, None] - answer.baseline)).sum(1).mean(),
        "baseline_error": (answer.baseline - reward[:, None]).square().mean(),
        "reward": reward.mean(),
    }
    for name, value in want.items():
        torch.testing.assert_close(parts[name], value)
    assert tuple(sorted(parts)) == tuple(sorted(task.part_names))
    entropy = torch.stack([sample.entropy for sample in answer.samples]).mean()
    whole = want["cross_entropy"] + 0.3 * want["reinforce"] + want["baseline_error"] - 0.1 * entropy
    torch.testing.assert_close(total, whole)


def test_the_reward_teaches_neither_baseline_nor_class():
    """The policy gradient passes through log-probabilities only."""
    net, given = ram(detach_location=True), batch()
    _, parts = Glimpses(CLASSES).loss(net, given, draws(4))
    parts["reinforce"].backward()
    assert net.locate.place.weight.grad.abs().max() > 0
    assert net.expect_reward.weight.grad is None
    assert net.fc.weight.grad is None


def test_one_glimpse_has_nothing_to_reward():
    net = models.RAM(num_classes=3, in_channels=1, glimpses=1)
    _, parts = Glimpses(CLASSES).loss(net, batch(), draws(4))
    assert float(parts["reinforce"]) == float(parts["entropy"]) == 0


class Told(Looker):
    """One of three answers by chance: the class itself, so that its expected reward is known exactly."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64))
        self.told = None

    def forward(self, images, draws=None, rollouts=1):
        log_p = self.logits.log_softmax(0)
        noise = torch.stack([draws.at(rollout=r).gumbel(3) for r in range(rollouts)], 1).flatten(0, 1)
        chosen = (log_p + noise).argmax(1)
        score = nn.functional.one_hot(chosen, 3) - log_p.exp().detach()
        said = 20.0 * nn.functional.one_hot(chosen, 3).double()
        sample = Sample(chosen, log_p[chosen], None, score)
        return Answer(said, (sample,), torch.full((len(chosen), 1), 0.3, dtype=torch.float64))

    def rewarded(self, reward):
        self.told = reward


def test_the_estimate_is_the_exact_gradient_on_average():
    """Of the probability of the right answer, within the standard error of the mean over images and rollouts."""
    net, n, rollouts = Told(), 500, 8
    given = ImageBatch(torch.zeros(n, 1, 1, 1), torch.full((n,), 2), torch.arange(n))
    _, parts = Glimpses(CLASSES, rollouts=rollouts).loss(net, given, draws(n))
    (got,) = torch.autograd.grad(-parts["reinforce"], net.logits)
    p = net.logits.softmax(0)
    (exact,) = torch.autograd.grad(p[2], net.logits)
    error = (float(parts["gradient_variance"]) / (n * rollouts)) ** 0.5
    assert ((got - exact).norm() < 4 * error).item()
    assert exact.norm() > 10 * error, "the error is small enough to tell a right from a wrong gradient"
    advantage = torch.tensor([-0.3, -0.3, 0.7], dtype=torch.float64)
    scores = torch.eye(3, dtype=torch.float64) - p.detach()
    moments = (p.detach()[:, None] * (advantage[:, None] * scores).square()).sum()
    variance = moments - exact.square().sum()
    assert float(parts["gradient_variance"]) == pytest.approx(float(variance), rel=0.1)
    assert net.told.mean() == pytest.approx(p[2].item(), abs=0.05)


def test_a_head_that_samples_is_trained_too():
    net = models.create("resnet8", attention="hard_spatial", num_classes=3, in_channels=1, width=0.25, seed=0)
    total, parts = Glimpses(CLASSES, rollouts=2).loss(net, batch(4, 16), draws(4))
    total.backward()
    assert net.head.score.weight.grad.abs().max() > 0
    assert net.expected == pytest.approx(0.1 * float(parts["reward"]))


def test_it_predicts_greedily():
    net, given, task = ram().eval(), batch(), Glimpses(CLASSES)
    logits = task.predict(net, given)
    assert torch.equal(logits, net(given.images).logits)
    assert torch.equal(task.right(logits, given), logits.argmax(1) == given.labels)
    assert task.score([logits], [given]).choice == "accuracy"
    assert task.to_json() == {"name": "glimpses", "options": {}, "classes": list(CLASSES)}
    with pytest.raises(ShapeError, match=r"Linear returned Tensor for 4 images; .* must return an Answer"):
        task.predict(nn.Linear(9, 3), given)


def test_a_recipe_gives_rollouts_and_weights():
    task = Glimpses.trained_by(Recipe(rollouts=3, policy_weight=0.5, policy_entropy=0.2), CLASSES)
    assert (task.rollouts, task.weight, task.entropy) == (3, 0.5, 0.2)
    with pytest.raises(OptionError, match=r"recipe: mixup=0.2 is not allowed with a network that chooses"):
        Glimpses.trained_by(Recipe(mixup=0.2), CLASSES)
    for options in ({"rollouts": 0}, {"weight": -1.0}, {"entropy": -1.0}):
        with pytest.raises(OptionError, match="glimpses: "):
            Glimpses(CLASSES, **options)


def hard_head():
    return models.create("resnet8", attention="hard_spatial", num_classes=3, in_channels=2, width=0.125, seed=0)


def small_ram():
    torch.manual_seed(0)
    return models.RAM(
        num_classes=3, in_channels=2, hidden=16, patch=2, glimpses=3, first="random", spread="scheduled", std_epochs=3
    )


@pytest.mark.parametrize("made", [small_ram, hard_head])
@pytest.mark.parametrize("at", [7, 13])
def test_a_resumed_run_is_the_same_run(made, at, tmp_path, loader, stopping, same):
    recipe = Recipe(epochs=3, optimizer="adamw", lr=0.01, ema=0.9, keep="best", rollouts=2, clip=1.0)
    task, options = Glimpses.trained_by(recipe, CLASSES), {"seed": 3, "device": "cpu"}
    train, val = loader(train=True), loader(train=False)
    whole, resumed = made(), made()
    expected = fit(whole, recipe, task, train, val, folder=tmp_path / "whole", **options)
    with pytest.raises(RuntimeError, match="power"):
        fit(made(), recipe, task, stopping(train, at, RuntimeError("power")), val, folder=tmp_path / "run", **options)
    torch.manual_seed(at)
    found = fit(resumed, recipe, task, train, val, folder=tmp_path / "run", resume=True, **options)
    assert same(whole, resumed)
    assert [row.parts for row in found.history] == [row.parts for row in expected.history]
    assert (tmp_path / "run/steps.csv").read_bytes() == (tmp_path / "whole/steps.csv").read_bytes()
    assert "gradient_variance" in (tmp_path / "run/steps.csv").read_text().partition("\n")[0]


def test_half_precision_trains_too(loader):
    recipe = Recipe(epochs=1, optimizer="adamw", precision="bfloat16", channels_last=True)
    net = small_ram()
    found = fit(net, recipe, Glimpses(CLASSES), loader(train=True), None, folder=None, seed=0, device="cpu")
    assert found.history[0].train_loss < 10
