"""Plans: measured before anything changes, applied wholly or not at all, and undone."""

import pytest
import torch
from torch import nn

import regard
from regard.core import SurgeryError
from regard.surgery.attended import attach, detach
from tests.surgery.networks import anatomy, images, same_anatomy, small_resnet, strengthen


def plan_for(net, mechanism="se", **options):
    return regard.select(net, images(batch=1)).at("residual").insert(mechanism, **options)


def test_a_row_says_what_a_site_costs():
    net = small_resnet()
    plan = plan_for(net, "se:reduction=8")
    row = plan.rows[1]
    assert (row.site.path, row.site.channels, row.macs) == ("layer2.0.bn2", 128, 2 * 128 * 16)
    added = sum(row.parameters for row in plan.rows)
    before = sum(p.numel() for p in net.parameters())
    plan.apply()
    assert (
        sum(p.numel() for p in net.parameters()) == before + added == before + sum(p.numel() for p in plan.parameters())
    )


def test_a_plan_prints_its_rows():
    lines = str(plan_for(small_resnet())).splitlines()
    assert lines[0].startswith("se at 4 sites of ResNet, start=identity: ")
    assert lines[2].split()[:2] == ["layer1.0.bn2", "64"]


def test_sites_without_a_fit_are_skipped():
    net = small_resnet()
    plan = plan_for(net, "sge", groups=128)
    assert [row.skipped is None for row in plan.rows] == [False, True, True, True]
    assert "skipped: layer1.0.bn2: " in str(plan)
    with plan.applied() as handle:
        assert "layer1.0.bn2" not in handle.paths


def test_apply_and_revert_leave_no_trace():
    net = small_resnet()
    net.layer3.train()
    before, x = anatomy(net), images()
    handle = plan_for(net).apply()
    assert net.layer3[0].bn2.attention.training
    assert not net.layer1[0].bn2.attention.training
    handle.revert()
    assert same_anatomy(before, anatomy(net))
    handle.revert()
    assert same_anatomy(before, anatomy(net))
    assert torch.equal(net.eval()(x), net(x))


def test_a_context_is_undone_after_an_exception():
    net = small_resnet()
    before = anatomy(net)
    with pytest.raises(ZeroDivisionError), plan_for(net).applied():
        _ = 1 / 0
    assert same_anatomy(before, anatomy(net))


def test_an_application_that_fails_inserts_nothing():
    net = small_resnet()
    plan = plan_for(net)
    attach(net.layer3[0].bn2, nn.Identity())
    kinds = [type(module) for module in net.modules()]
    with pytest.raises(SurgeryError, match=r"layer3\.0\.bn2: .*already.*Nothing was changed"):
        plan.apply()
    assert [type(module) for module in net.modules()] == kinds
    detach(net.layer3[0].bn2)


class OverChildren(nn.Module):
    """Runs whatever children it has."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        for child in self.children():
            x = child(x) * 1
        return x


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = OverChildren()

    def forward(self, x):
        return x + self.inner(x)


def test_a_host_that_runs_its_children_is_skipped():
    with pytest.raises(SurgeryError, match="runs its children"):
        regard.attach(Around().eval(), "se", at="residual", example=torch.zeros(1, 4, 8, 8))


def test_initial_values_follow_from_seed_and_path():
    first, second, third = (plan_for(small_resnet(), seed=seed) for seed in (0, 0, 1))
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), third.parameters(), strict=True))


def test_trained_weights_survive_a_revert():
    net, x = small_resnet(), images()
    plan = plan_for(net)
    handle = plan.apply()
    strengthen(net)
    after = net(x)
    handle.revert()
    assert not torch.equal(net(x), after)
    with plan.applied():
        assert torch.equal(net(x), after)


def test_start_paper_begins_as_published():
    net, x = small_resnet(), images()
    before = net(x)
    with plan_for(net, start="paper").applied():
        assert not torch.equal(net(x), before)
        assert not [name for name, _ in net.named_parameters() if name.endswith("strength")]
