"""Arms of one seed share all they have in common, bit for bit."""

import pytest
import torch

from regard import models
from regard.core import OptionError, UnknownNameError
from regard.models import describe
from regard.recipes.arms import (
    Backbone,
    arm_network,
    arm_plan,
    build_arm,
    is_control,
    leave_out_wide,
    parse_arms,
    title,
)

BACKBONE = Backbone("resnet8", 10, 1)


@pytest.mark.parametrize("arm", ["se", "eca", "cbam", "bam", "sk", "scse", "sca_cnn", "static"])
def test_arms_of_a_seed_share_common_initial_values(arm):
    plain, gated = (build_arm(a, BACKBONE, 3).state_dict() for a in ("none", arm))
    common = plain.keys() & gated.keys()
    assert len(common) >= (len(plain) if arm != "sk" else len(plain) - 3 * 6)
    for name in common:
        assert torch.equal(plain[name], gated[name]), name


def test_another_seed_draws_other_weights():
    first, second = (build_arm("none", BACKBONE, seed).state_dict() for seed in (0, 1))
    assert not torch.equal(first["layer1.0.conv1.weight"], second["layer1.0.conv1.weight"])


def test_wide_matches_parameters_and_has_no_attention():
    wanted = sum(p.numel() for p in build_arm("se:reduction=1", BACKBONE, 0).parameters())
    wide = build_arm("wide", BACKBONE, 0, reference_parameters=wanted)
    assert abs(sum(p.numel() for p in wide.parameters()) - wanted) < 0.02 * wanted


def test_the_plain_network_comes_first_and_once():
    assert parse_arms(("se", "none", "cbam:reduction=8")) == ("none", "se", "cbam:reduction=8")
    assert parse_arms(()) == ("none",)


@pytest.mark.parametrize(
    ("arms", "error", "text"),
    [
        (("see",), UnknownNameError, "Did you mean 'se'"),
        (("widee",), UnknownNameError, "Did you mean 'wide'"),
        (("sca",), UnknownNameError, "means several things"),
        (("se:reductoin=4",), OptionError, "Did you mean 'reduction'"),
        (("se", "se"), OptionError, "given twice"),
        (("none:reduction=4",), OptionError, "takes none"),
        (("se:reduction=0",), OptionError, "at least 1"),
    ],
)
def test_invalid_arms_are_errors_before_training(arms, error, text):
    with pytest.raises(error, match=text):
        parse_arms(arms)


def test_controls_are_told_from_mechanisms():
    assert [is_control(arm) for arm in ("none", "se", "static", "wide")] == [False, False, True, True]
    assert title("cbam:reduction=8") == "cbam (reduction 8)"


@pytest.mark.parametrize("arm", ["none", "cbam:reduction=4", "sk", "static", "wide"])
def test_an_arm_is_built_again_from_its_record(arm):
    network = arm_network(arm, BACKBONE, 90_000)
    rebuilt = models.create(network.name, num_classes=10, in_channels=1, **network.options)
    rebuilt.load_state_dict(build_arm(arm, BACKBONE, 0, reference_parameters=90_000).state_dict())


def test_networks_of_others_get_attention_inserted():
    backbone = Backbone("torchvision:resnet18", 3, 1, size=(32, 32))
    plain, arm = build_arm("none", backbone, 0), build_arm("se", backbone, 0)
    state = arm.state_dict()
    assert all(torch.equal(state[name], value) for name, value in plain.state_dict().items())
    assert len(describe(arm).sites) == len(arm_plan("se", backbone, 0)["sites"]) == 8
    assert arm_plan("none", backbone, 0) is None
    assert arm_plan("se", Backbone("resnet8", 3, 1), 0) is None


def test_wide_is_left_out_with_a_sentence(capsys):
    assert leave_out_wide(("se", "wide"), "timm:resnet18") == ("se",)
    assert "'wide' is left out" in capsys.readouterr().err
    assert leave_out_wide(("se", "wide"), "resnet8") == ("se", "wide")
