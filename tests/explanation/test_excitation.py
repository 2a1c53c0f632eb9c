import numpy as np
import pytest
import torch

from regard.core import DataError, taps
from regard.explanation import gates_by_class
from regard.explanation.observation import observe
from tests.explanation.nets import CLASSES, Shared, classifier, invent, split

NAMES = tuple("abcd")


def everything(net, batches):
    with observe(net) as maps:
        net(torch.cat([b.images for b in batches]))
    return maps, torch.cat([b.labels for b in batches]).numpy()


@pytest.mark.parametrize("mechanism", ["se", "cbam"])
def test_means_and_deviations_are_those_of_numpy(mechanism):
    net = classifier(mechanism)
    batches = invent(30, batch=7)
    found = gates_by_class(net, batches, NAMES)
    maps, labels = everything(net, batches)
    (path,) = [path for path, tap in taps(net).items() if tap.kind.name == "gate"]
    assert list(found) == [path]  # a spatial map has no weights of channels
    weights = maps.one(path).channels().detach().numpy()
    for k in range(CLASSES):
        np.testing.assert_allclose(found[path].mean[k], weights[labels == k].mean(0), rtol=1e-5)
        np.testing.assert_allclose(found[path].std[k], weights[labels == k].std(0), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found[path].overall, weights.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found[path].overall_std, weights.std(0), rtol=1e-3, atol=1e-6)
    assert found[path].counts.tolist() == [8, 8, 7, 7]


def test_mixed_maps_are_averaged_over_positions():
    net = classifier("bam")
    batches = invent(12)
    maps, labels = everything(net, batches)
    ((path, found),) = gates_by_class(net, batches, NAMES).items()
    np.testing.assert_allclose(
        found.mean[2], maps.one(path).values.mean((2, 3))[torch.tensor(labels == 2)].mean(0), rtol=1e-5
    )


def test_branch_entries_sum_to_one():
    net = classifier("sk")
    found = gates_by_class(net, invent(12), NAMES)
    assert [name.partition("[")[2] for name in found] == ["0]", "1]"]
    assert [gates.branch for gates in found.values()] == [0, 1]
    torch.testing.assert_close(sum(gates.mean for gates in found.values()), torch.ones(CLASSES, 8))


def test_an_image_of_several_classes_counts_for_each():
    net = classifier("se")
    images = torch.cat([b.images for b in invent(6)])
    labels = torch.zeros(6, CLASSES)
    labels[:4, 0] = 1
    labels[2:, 1] = 1
    found = gates_by_class(net, split(images, labels, 4), NAMES)["3.gate"]
    maps, _ = everything(net, split(images, labels, 6))
    weights = maps.one("3.gate").channels().detach()
    torch.testing.assert_close(found.mean[0], weights[:4].mean(0))
    torch.testing.assert_close(found.mean[1], weights[2:].mean(0))
    torch.testing.assert_close(found.overall, weights.mean(0))
    assert found.counts.tolist() == [4, 4, 0, 0]
    assert found.mean[2].isnan().all()


def test_labels_outside_the_classes_are_an_error():
    with pytest.raises(DataError, match="A label is 2, but 2 classes"):
        gates_by_class(classifier("se"), invent(8), ("a", "b"))
    labels = torch.ones(8, 3)
    with pytest.raises(DataError, match="3 columns, but 4 classes"):
        gates_by_class(classifier("se"), split(invent(8)[0].images, labels, 8), NAMES)


def test_the_network_is_put_back():
    net = classifier("cbam").train()
    buffers = [b.clone() for b in net.buffers()]
    gates_by_class(net, invent(8), NAMES)
    assert all(m.training for m in net.modules())
    assert all(map(torch.equal, buffers, net.buffers()))


def test_steps_of_a_shared_module_are_kept_apart():
    batches, net = invent(12), Shared("se")
    found = gates_by_class(net, batches, NAMES)
    assert list(found) == ["attention.gate", "attention.gate#2"]
    assert all(gates.counts.sum() == 12 for gates in found.values())
    with observe(net) as maps, torch.no_grad():
        net(torch.cat([batch.images for batch in batches]))
    torch.testing.assert_close(found["attention.gate#2"].overall, maps.steps("attention.gate")[:, 1].flatten(1).mean(0))
