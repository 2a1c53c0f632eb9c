import pytest
import torch
from torch import nn

from regard import models
from regard.core import Draws, OptionError, ShapeError, UnknownNameError
from regard.explanation import observe
from regard.models.ram import RAM, first_sure
from regard.recipes.train import train
from regard.training import Recipe


def of(images, **given):
    return Draws(seed=3, indices=torch.arange(images), **given)


def small(**options):
    return (
        models.create("ram", num_classes=5, in_channels=2, seed=0)
        if not options
        else RAM(num_classes=5, in_channels=2, hidden=16, patch=3, **options)
    )


@pytest.mark.parametrize(
    "options", [{"core": "lstm"}, {"first": "context"}, {"first": "random"}, {"cells": 4}, {"scales": 3}]
)
@pytest.mark.parametrize("size", [(7, 11), (1, 1), (28, 28)])
def test_any_image_has_an_answer(options, size):
    net, images = small(glimpses=3, **options), torch.randn(1, 2, *size)
    choices = 3 if options.get("first") == "context" else 2
    for draws in (None, of(1)):
        answer = net(images, draws)
        assert answer.logits.shape == (1, 5)
        assert answer.looks.shape == (1, 3, 5)
        assert torch.equal(answer.looks[:, -1], answer.logits)
        assert len(answer.samples) == choices
        assert answer.baseline.shape == (1, choices)
        assert all(bool(sample.value.abs().max() <= 1) for sample in answer.samples)


def test_one_glimpse_chooses_nothing():
    answer = small(glimpses=1)(torch.randn(2, 2, 9, 9), of(2))
    assert (answer.samples, answer.baseline) == ((), None)


def test_rollouts_are_the_same_one_by_one():
    net, images = small(glimpses=4, first="random"), torch.randn(3, 2, 9, 9)
    together = net(images, of(3), rollouts=2)
    for rollout in range(2):
        alone = net(images, of(3).at(rollout=rollout))
        torch.testing.assert_close(together.logits[rollout::2], alone.logits)
        torch.testing.assert_close(together.samples[-1].value[rollout::2], alone.samples[-1].value)
    assert not torch.equal(together.logits[::2], together.logits[1::2])


def test_the_batch_split_changes_no_position():
    net, images = small(glimpses=4), torch.randn(5, 2, 9, 9)
    whole = net(images, of(5)).samples[-1].value
    parts = [net(images[i : i + 1], Draws(3, torch.tensor([i]))).samples[-1].value for i in range(5)]
    torch.testing.assert_close(whole, torch.cat(parts))


def test_without_chance_positions_are_means():
    net, images = small(glimpses=4), torch.randn(3, 2, 9, 9)
    one, other = net(images), net(images)
    assert torch.equal(one.logits, other.logits)
    assert all(sample.log_prob is None for sample in one.samples)
    assert not torch.equal(one.samples[0].value, net(images, of(3)).samples[0].value)


@pytest.mark.parametrize("detached", [False, True])
def test_the_location_reaches_the_core_where_it_may(detached):
    net = small(glimpses=3, detach_location=detached)
    answer = net(torch.randn(2, 2, 9, 9), of(2))
    sum(sample.log_prob.sum() for sample in answer.samples).backward()
    assert net.locate.place.weight.grad.abs().max() > 0
    assert (net.core.take.weight.grad is None) == detached
    assert net.fc.weight.grad is None


def test_the_baseline_reaches_nothing_else():
    net = small(glimpses=3)
    net(torch.randn(2, 2, 9, 9), of(2)).baseline.sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is not None] == [
        "expect_reward.weight",
        "expect_reward.bias",
    ]


def test_the_whole_image_decides_the_first_position_only():
    net = small(glimpses=1, first="context")
    answer = net(torch.randn(2, 2, 9, 9), of(2))
    answer.logits.sum().backward()
    assert net.context.look.weight.grad is None
    answer.samples[0].log_prob.sum().backward()
    assert net.context.look.weight.grad.abs().max() > 0


def test_it_stops_when_it_is_sure():
    torch.manual_seed(0)
    net, images = small(glimpses=6).eval(), torch.randn(4, 2, 9, 9)
    with torch.no_grad():
        net.fc.bias[1] = 9.0
    assert net(images).used is None
    net.sure = 0.9
    answer = net(images)
    assert answer.used.tolist() == [1, 1, 1, 1]
    assert answer.looks.shape[1] == 1, "nothing is computed after all are sure"
    net.sure = 1.0
    assert net(images).used.tolist() == [6] * 4
    assert net.train()(images).used is None


def test_each_image_stops_on_its_own():
    looks = torch.tensor([[[0.0, 9.0], [9.0, 0.0]], [[0.0, 0.1], [9.0, 0.0]], [[0.0, 0.1], [0.0, 0.2]]])
    assert first_sure(looks, 0.9).tolist() == [1, 2, 2]


def test_its_positions_are_maps_of_the_sensor():
    net, images = small(glimpses=4).eval(), torch.randn(3, 2, 9, 9)
    with observe(net) as maps:
        answer = net(images)
    positions = maps.steps("sensor.place")
    assert positions.shape == (3, 4, 1, 2)
    assert not positions[:, 0].any(), "the first is the centre"
    assert torch.equal(positions[:, 1:, 0], torch.stack([sample.value for sample in answer.samples], 1))


def test_a_black_image_and_nan_pixels():
    net = small(glimpses=3)
    images = torch.zeros(2, 2, 9, 9)
    images[1] = torch.nan
    logits = net(images).logits
    assert logits[0].isfinite().all()
    assert logits[1].isnan().all()


@pytest.mark.graph
def test_a_training_pass_is_one_graph():
    """No loop over images and no synchronisation breaks the graph of glimpses, rollouts and choices."""
    net, images, draws = small(glimpses=2), torch.randn(3, 2, 9, 9), of(3)
    expected = net(images, draws, 2)
    found = torch.compile(net, backend="aot_eager", fullgraph=True)(images, draws, 2)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.samples[-1].log_prob, expected.samples[-1].log_prob)


def test_it_learns_where_to_look():
    """The class is the colour of one corner, which the middle does not show."""
    torch.manual_seed(0)
    net = RAM(num_classes=2, in_channels=1, glimpses=2, patch=2, hidden=32, std=0.5)
    labels = torch.randint(0, 2, (256,))
    images = torch.zeros(256, 1, 8, 8)
    images[:, 0, :4, :4] = (2.0 * labels - 1)[:, None, None]
    images[:, 0, 3:5, 3:5] = 0
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(150):
        answer = net(images, of(256, epoch=step))
        reward = (answer.logits.argmax(1) == labels).float()
        signal = (reward - reward.mean()) * answer.samples[0].log_prob
        loss = nn.functional.cross_entropy(answer.logits, labels) - 0.1 * signal.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    answer = net(images)
    assert (answer.logits.argmax(1) == labels).float().mean() > 0.9
    assert (answer.samples[0].value < 0).all(), "up and to the left"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ram:glimpses=0", "ram: glimpses=0 is not allowed; it must be an integer of at least 1"),
        ("ram:patch=0", "glimpse: size=0 is not allowed"),
        ("ram:core=gru", "ram: core='gru' is not allowed; choose one of 'relu', 'lstm'"),
        ("ram:first=corner", "ram: first='corner' is not allowed"),
        ("ram:sure=2", "ram: sure=2 is not allowed"),
        ("ram:glimpse=4", "There is no option of 'ram' named 'glimpse'. Did you mean 'glimpses'"),
    ],
)
def test_a_wrong_option_is_refused(name, says):
    with pytest.raises(OptionError, match=says):
        models.create(name, num_classes=3)


def test_wrong_images_and_draws_are_refused():
    net = small(glimpses=2)
    with pytest.raises(ShapeError, match=r"ram: the images have shape \(2, 1, 9, 9\)"):
        net(torch.zeros(2, 1, 9, 9))
    with pytest.raises(ShapeError, match="draws for 3 images and 2 images"):
        net(torch.zeros(2, 2, 9, 9), of(3))


def test_it_is_created_by_name_with_its_options():
    net = models.create("ram:glimpses=3,patch=5,core=lstm", num_classes=4, in_channels=1, seed=1)
    assert (net.glimpses, net.sensor.size, net.fc.out_features) == (3, 5, 4)
    again = models.create("ram:glimpses=3,patch=5,core=lstm", num_classes=4, in_channels=1, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    with pytest.raises(OptionError, match="attention='se' is not allowed"):
        models.create("ram", attention="se")
    with pytest.raises(UnknownNameError):
        models.create("rams")
    assert "ram" in models.names()


def trained(folder, seed, *, random):
    policy = "random=true" if random else "std=0.2,spread=scheduled,last_std=0.06,std_epochs=6"
    recipe = Recipe(epochs=6, batch_size=64, optimizer="adamw", lr=0.0015, weight_decay=0.01, clip=2.0, ema=0.99)
    found = train(
        data="mnist-mini",
        model=f"ram:glimpses=6,patch=8,{policy}",
        augment="none",
        out=str(folder / f"{random}{seed}"),
        seed=seed,
        device="cpu",
        threads=1,
        recipe=recipe,
    )
    return found.scores["accuracy"]


@pytest.mark.example
def test_choosing_beats_random_glimpses(tmp_path):
    """The mean of three seeds, after six epochs of the shipped digits: at least five points."""
    chosen, random = (sum(trained(tmp_path, seed, random=how) for seed in range(3)) / 3 for how in (False, True))
    assert chosen - random >= 0.05, f"{chosen:.3f} against {random:.3f}"
