import pytest
import torch
from rich.console import Console

from regard import models
from regard.recipes.glimpse_statistics import GlimpseStatistics, _rows, watch_glimpses


def watched(net, batches, labels):
    with watch_glimpses(net.eval()) as watch, torch.no_grad():
        answers = [net(images) for images in batches]
    return watch.statistics(labels), answers


@pytest.fixture(scope="module")
def images():
    return torch.rand(5, 1, 20, 30, generator=torch.Generator().manual_seed(0))


def ram(**options):
    words = ",".join(f"{name}={value}" for name, value in options.items())
    return models.create(f"ram:glimpses=4,patch=5,{words}", num_classes=3, in_channels=1, seed=0).eval()


@pytest.mark.parametrize("first", ["centre", "context"])
def test_statistics_are_those_of_the_positions(images, first):
    net, labels = ram(first=first), torch.tensor([0, 1, 2, 0, 1])
    found, _ = watched(net, (images[:3], images[3:]), (labels[:3], labels[3:]))
    with torch.no_grad():
        answer = net(images)
    chosen = [sample.value.double() for sample in answer.samples]
    positions = torch.stack([torch.zeros(5, 2).double()] * (len(chosen) == 3) + chosen, 1)
    right = (answer.looks.argmax(2) == labels[:, None]).double().mean(0)
    for t, row in enumerate(found.rows):
        assert row.images == 5
        assert row.position == pytest.approx(positions[:, t].mean(0).tolist(), abs=1e-6)
        assert row.std == pytest.approx(positions[:, t].std(0, unbiased=False).tolist(), abs=1e-6)
        assert row.accuracy == pytest.approx(float(right[t]))
    moved = positions.diff(dim=1).norm(dim=2).mean(0).tolist()
    assert found.rows[0].moved is None
    assert [row.moved for row in found.rows[1:]] == pytest.approx(moved, abs=1e-6)


def test_the_last_accuracy_is_that_of_the_answers(images):
    net, labels = ram(), torch.tensor([0, 1, 2, 0, 1])
    net.sure = 0.4
    found, answers = watched(net, (images[:3], images[3:]), (labels[:3], labels[3:]))
    logits = torch.cat([answer.logits for answer in answers])
    assert found.rows[-1].accuracy == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    used = torch.cat([answer.used for answer in answers])
    assert [row.images for row in found.rows] == [int((used > t).sum()) for t in range(int(used.max()))]


def test_images_that_stopped_keep_their_answer():
    positions = torch.tensor([[[0.0, 0.0], [0.0, 0.5]], [[0.0, 0.0], [9.0, 9.0]]]).double()
    taken = torch.tensor([[True, True], [True, False]])
    right = torch.tensor([[False, True], [True, True]])
    first, second = _rows(positions, taken, right)
    assert (first.images, first.accuracy) == (2, 0.5)
    assert (second.images, second.position, second.moved, second.accuracy) == (1, (0.0, 0.5), 0.5, 1.0)


def test_every_number_is_printed(images):
    found, _ = watched(ram(), (images,), (torch.zeros(5),))
    console = Console(width=100)
    with console.capture() as capture:
        console.print(found)
    lines = capture.get().splitlines()
    assert lines[0].split() == ["glimpse", "images", "x", "y", "moved", "right", "after", "it"]
    assert f"{100 * found.rows[3].accuracy:.1f} %" in lines[4]
    assert GlimpseStatistics(found.rows).to_json()[0]["moved"] is None


def test_other_networks_have_none(images):
    with watch_glimpses(models.create("se_resnet8", num_classes=3, in_channels=1, seed=0)) as watch:
        assert watch is None


def test_no_hook_remains(images):
    net = ram()
    with pytest.raises(ValueError, match="stop"), watch_glimpses(net):
        raise ValueError("stop")
    assert not net._forward_hooks
    assert net.sensor.place.sink is None
