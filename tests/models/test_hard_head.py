import pytest
import torch

from regard import models
from regard.core import Draws, OptionError, Spec
from regard.explanation import observe
from regard.models.hard_head import HardHead


def of(images, **given):
    return Draws(seed=3, indices=torch.arange(images), **given)


def made(attention="hard_spatial", **options):
    return models.create("resnet8", attention=attention, num_classes=4, in_channels=1, seed=0, **options)


def test_it_is_the_plain_network_with_another_head():
    plain = models.create("resnet8", num_classes=4, in_channels=1, seed=0).eval()
    net, images = made().eval(), torch.randn(2, 1, 20, 20)
    assert torch.equal(net.net.layer3[0].conv2.weight, plain.layer3[0].conv2.weight)
    assert torch.equal(net.fc.weight, plain.fc.weight)
    net.head.map.replace = net.head.map.nothing
    torch.testing.assert_close(net(images).logits, plain(images))


def test_rollouts_are_the_same_one_by_one():
    net, images = made().eval(), torch.randn(3, 1, 20, 20)
    together = net(images, of(3), rollouts=2)
    for rollout in range(2):
        alone = net(images, of(3).at(rollout=rollout))
        torch.testing.assert_close(together.logits[rollout::2], alone.logits)
        torch.testing.assert_close(together.samples[0].log_prob[rollout::2], alone.samples[0].log_prob)


def test_the_soft_twin_has_nothing_to_reward():
    net = made("hard_spatial:form=soft").eval()
    answer = net(torch.randn(2, 1, 20, 20), of(2), rollouts=1)
    assert answer.samples[0].log_prob is None
    assert answer.baseline is None


def test_the_expected_reward_is_a_moving_average():
    net = made()
    net.rewarded(torch.tensor([1.0, 0.0]))
    net.rewarded(torch.tensor([1.0, 1.0]))
    assert net.expected.item() == pytest.approx(0.1 * 0.5 * 0.9 + 0.1)
    answer = net(torch.randn(2, 1, 20, 20), of(2))
    assert answer.baseline.flatten().tolist() == pytest.approx([net.expected.item()] * 2)


def test_its_choice_is_a_map_of_features():
    net = made().eval()
    with observe(net) as maps:
        net(torch.randn(2, 1, 20, 20))
    assert maps.one("head.map").values.shape == (2, 1, 5, 5)


def test_a_mechanism_without_a_sample_is_refused():
    with pytest.raises(OptionError, match="hard head: se returns features; it must return a sample"):
        HardHead(models.create("resnet8", in_channels=1), Spec("se"))
