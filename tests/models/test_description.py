"""Descriptions count parameters and sites."""

from torch import nn

from regard import create, models


def test_sites_have_their_places_and_sizes():
    description = models.describe(models.create("cbam_resnet18", num_classes=10))
    assert [site.path for site in description.sites] == [
        f"layer{stage}.{block}.attention" for stage in (1, 2, 3, 4) for block in (0, 1)
    ]
    assert [(site.mechanism, site.channels) for site in description.sites] == [
        ("cbam", channels) for channels in (64, 64, 128, 128, 256, 256, 512, 512)
    ]
    assert description.sites[0].parameters == 680
    plain = models.describe(models.create("resnet18", num_classes=10))
    assert plain.sites == ()
    assert description.parameters - plain.parameters == sum(site.parameters for site in description.sites)


def test_stages_and_any_module():
    assert [site.path for site in models.describe(models.create("bam_resnet20")).sites] == ["attention1", "attention2"]
    mixed = nn.Sequential(nn.Linear(3, 3), create("cbam", channels=8), create("se", channels=8))
    assert [(site.path, site.mechanism) for site in models.describe(mixed).sites] == [("1", "cbam"), ("2", "se")]
    assert [site.path for site in models.describe(create("cbam", channels=8)).sites] == [""]


def test_shared_parameters_count_once():
    layer = nn.Linear(3, 2)
    assert models.describe(nn.Sequential(layer, nn.ReLU(), layer)).parameters == 8


def test_it_prints_a_line_for_each_site():
    text = str(models.describe(models.create("se_resnet20", num_classes=10)))
    assert text.splitlines()[0] == "se_resnet20: 274,847 parameters, 9 attention modules"
    assert len(text.splitlines()) == 10
    assert str(models.describe(nn.Flatten())) == "Flatten: 0 parameters, no attention modules"
    assert text.splitlines()[-1] == "  layer3.2.attention  se, 64 channels, 580 parameters"
