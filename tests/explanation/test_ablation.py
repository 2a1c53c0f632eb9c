import pytest
import torch
from torch import nn

from regard.attention import CATALOGUE
from regard.core import DataError, ImageBatch, OptionError, RegardError, ShapeError, taps
from regard.explanation import MODES, ablate, replace_maps
from regard.explanation.recalibration import normalisations
from tests.explanation.nets import (
    CLASSES,
    GateAlone,
    Identity,
    Scaled,
    Shared,
    Twice,
    classifier,
    fit_classifier,
    invent,
    split,
)


def state(net):
    return (
        [buffer.clone() for buffer in net.buffers()],
        [m.training for m in net.modules()],
        [m.momentum for m in normalisations(net)],
        [(tap.sink, tap.replace) for tap in taps(net).values()],
    )


def same(one, other):
    return all(map(torch.equal, one[0], other[0])) and one[1:] == other[1:]


def accuracy(net, batches):
    return sum((net(b.images).argmax(1) == b.labels).sum().item() for b in batches) / sum(
        len(b.labels) for b in batches
    )


def test_constant_maps_lose_nothing_frozen_or_swapped():
    net = classifier("se")
    nn.init.zeros_(net[3].expand.weight)
    nn.init.normal_(net[3].expand.bias)
    ablation = ablate(net, invent(40), invent(50, seed=1), draws=2)
    for renormalised in (False, True):
        for mode in ("mean", "swapped"):
            row = ablation.row(mode, renormalised=renormalised)
            assert (set(row.lost), set(row.gained)) == ({0}, {0})
            assert row.accuracy == ablation.row("trained", renormalised=renormalised).accuracy
    assert ablation.depends_on_input is False


def test_network_deciding_by_gate_falls_to_chance():
    n = 200
    ablation = ablate(GateAlone(), invent(n), invent(80, seed=1), draws=5)
    assert ablation.row("trained").draws == (1.0,)
    assert ablation.row("mean").accuracy == ablation.row("neutral").accuracy == 1 / CLASSES
    chance = (n / CLASSES - 1) / (n - 1)  # that another image is of the same class
    assert abs(ablation.row("swapped").accuracy - chance) < 4 * (chance * (1 - chance) / (5 * n)) ** 0.5
    assert ablation.row("permuted").accuracy == 0.0  # the permutation has no fixed points, and the channel is the class
    assert ablation.depends_on_input is True


def test_swapping_covers_a_set_sorted_by_class():
    batches = invent(200)
    images, labels = (torch.cat([getattr(b, name) for b in batches]) for name in ("images", "labels"))
    order = labels.argsort()
    ablation = ablate(GateAlone(), split(images[order], labels[order], 50), modes=["swapped"], renormalise=False)
    assert ablation.row("swapped").accuracy < 0.35


@pytest.mark.parametrize("memory", [2**20, 10 * 4])
def test_no_image_ever_gets_its_own_maps(memory):
    images = torch.arange(50.0)[:, None, None, None].expand(50, 1, 2, 2)
    batches = split(images, torch.ones(50).long(), 7)
    ablation = ablate(Identity(), batches, modes=["swapped"], renormalise=False, memory=memory)
    assert ablation.row("trained").accuracy == 1.0
    assert set(ablation.row("swapped").draws) == {0.0}


def test_renormalising_removes_a_loss_of_scale():
    labels = torch.arange(40) % 2
    noise = 0.1 * torch.randn(40, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    batches = split(4.0 + 2.0 * labels[:, None, None, None] + noise, labels, 8)
    ablation = ablate(Scaled(), batches, batches, modes=["neutral"])
    assert ablation.row("trained").accuracy == ablation.row("trained", renormalised=True).accuracy == 1.0
    assert ablation.row("neutral").accuracy == 0.5
    assert ablation.row("neutral", renormalised=True).accuracy == 1.0


def hard(n, seed=0, **options):
    return invent(n, seed=seed, signal=0.7, **options)


def test_little_memory_changes_no_permuted_row():
    net = fit_classifier("cbam", hard(100))
    few, many = (
        ablate(net, hard(100), hard(60, seed=1), modes=["permuted"], draws=3, memory=memory) for memory in (1, 2**30)
    )
    assert few == many


def test_renormalised_rows_are_compared_with_the_renormalised_network():
    ablation = ablate(fit_classifier("se", hard(200)), hard(200), hard(100, seed=1), draws=2)
    trained = {flag: ablation.row("trained", renormalised=flag).accuracy for flag in (False, True)}
    assert trained[False] != trained[True]
    for row in ablation.rows:
        if row.drop is not None:
            assert row.drop.points == pytest.approx(100 * (trained[row.renormalised] - row.accuracy))
            changes = zip(row.lost, row.gained, row.draws, strict=True)
            for lost, gained, accuracy in changes:
                assert (lost - gained) / 200 == pytest.approx(trained[row.renormalised] - accuracy)


def test_draws_differ():
    ablation = ablate(fit_classifier("se", hard(200)), hard(200), modes=["swapped", "permuted"], renormalise=False)
    assert len(set(ablation.row("swapped").draws)) > 1
    assert len(set(ablation.row("permuted").draws)) > 1


def test_random_loader_leaves_the_generator_unchanged():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    loader = torch.utils.data.DataLoader(invent(16), batch_size=None)  # draws a base seed for each pass
    ablate(classifier("se"), loader, modes=["neutral"], renormalise=False)
    assert torch.equal(torch.rand(3), expected)


def test_each_tap_call_has_its_own_mean():
    images = torch.rand(20, 3, 2, 2)
    batches = split(images, Twice()(images).argmax(1), 6)
    row = ablate(Twice(), batches, batches, modes=["mean", "swapped"]).row("mean")
    assert (row.accuracy, row.lost) == (1.0, (0,))


def test_every_step_of_a_shared_module_is_replaced():
    batches = invent(16)
    found = ablate(Shared("cbam"), batches, batches, draws=1)
    assert {row.mode for row in found.rows} == set(MODES)
    assert found.taps == (("attention.channel.gate", "gate"), ("attention.spatial.gate", "spatial"))


def test_images_of_several_sizes():
    batches = [*invent(16, (6, 5)), *invent(16, (4, 9))]
    ablation = ablate(classifier("cbam"), batches, invent(16, (6, 5), seed=1), draws=1)
    assert ablation.images == 32


def test_several_labels_must_all_be_right():
    images = torch.cat([b.images for b in invent(24)])
    labels = (images.mean((2, 3)) > 1).float()
    ablation = ablate(GateAlone("gate"), split(images, labels, 8), modes=["neutral"], renormalise=False)
    expected = (labels == 1).all(1).double().mean().item()  # the neutral gate says yes to every class
    assert ablation.row("neutral").accuracy == pytest.approx(expected)


@pytest.mark.parametrize("mechanism", [m.facts.name for m in CATALOGUE])
def test_every_mechanism_is_ablated_and_restored(mechanism):
    net = classifier(mechanism)
    net.train()
    net[1].eval()
    before = state(net)
    evaluation = invent(24)
    ablation = ablate(net, evaluation, invent(21, seed=1, batch=5), draws=2)
    assert same(state(net), before)
    assert ablation.row("trained").accuracy == accuracy(net.eval(), evaluation)
    constants = {path: tap.nothing for path, tap in taps(net).items()}
    with replace_maps(net, constants):
        assert ablation.row("neutral").accuracy == accuracy(net, evaluation)
    assert [(r.mode, r.renormalised, len(r.draws)) for r in ablation.rows] == [
        (mode, renormalised, 2 if mode in ("swapped", "permuted") else 1)
        for renormalised in (False, True)
        for mode in ("trained", "mean", "swapped", "permuted", "neutral")
    ]


def test_same_seed_gives_same_record_also_compiled():
    net = classifier("cbam")
    once, again, compiled = (
        ablate(n, invent(24), invent(24, seed=1), draws=2, seed=3)
        for n in (net, net, torch.compile(net, backend="aot_eager", fullgraph=True))
    )
    assert once == again == compiled


def test_only_the_chosen_taps_are_replaced():
    net = classifier("cbam")
    ablation = ablate(net, invent(24), modes=["neutral"], renormalise=False, paths="*.spatial.gate")
    assert ablation.taps == (("3.spatial.gate", "spatial"),)
    with replace_maps(net, {"3.spatial.gate": 1.0}):
        assert ablation.row("neutral").accuracy == accuracy(net, invent(24))


@pytest.mark.parametrize("fails_at", [0, 2, 5, 9, 14])
def test_exceptions_leave_the_network_unchanged(fails_at):
    class Failing(nn.Identity):
        passes = 0

        def forward(self, x):
            Failing.passes += 1
            if Failing.passes > fails_at:
                raise KeyError
            return x

    net = classifier("cbam").train()
    net[4] = nn.Sequential(net[4], Failing())
    before = state(net)
    with pytest.raises(KeyError):
        ablate(net, invent(8, batch=4), invent(8, seed=1, batch=4), draws=1)
    assert same(state(net), before)


def test_missing_or_misspelt_options_are_errors():
    net = classifier("se")
    with pytest.raises(OptionError, match="'mean' and renormalise=True need training images"):
        ablate(net, invent(8))
    with pytest.raises(OptionError, match="modes='shuffled' is not allowed; choose one of 'trained'"):
        ablate(net, invent(8), modes=["shuffled"], renormalise=False)
    with pytest.raises(OptionError, match="renormalise='yes'"):
        ablate(net, invent(8), renormalise="yes")
    with pytest.raises(OptionError, match="draws=0"):
        ablate(net, invent(8), invent(8), draws=0)
    with pytest.raises(RegardError, match="has no taps"):
        ablate(nn.Flatten(), invent(8), modes=[], renormalise=False)
    with pytest.raises(ShapeError, match="returned"):
        ablate(net[:4], invent(8), modes=[], renormalise=False)
    orders = iter(range(10))

    def shuffled():
        turn = next(orders)
        return [ImageBatch(b.images, b.labels, b.indices + turn) for b in invent(8)]

    with pytest.raises(DataError, match="another order"):
        ablate(net, shuffled, modes=["neutral"], renormalise=False)


def test_without_normalisation_there_is_nothing_to_recompute():
    ablation = ablate(GateAlone(), invent(8), modes=["neutral"], renormalise=False)
    assert {row.renormalised for row in ablation.rows} == {False}
    assert {row.renormalised for row in ablate(GateAlone(), invent(8), invent(8)).rows} == {False}
