"""The published networks as a table, as JSON, as a page and as profiles."""

import json

import pytest
from rich.console import Console

from regard.core import OptionError
from regard.models import PUBLISHED
from regard.recipes.catalogue import list_mechanisms, show
from regard.recipes.networks import list_networks, show_network
from tests.contract.sources import ROOT


def text_of(page):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(page)
    return capture.get()


def test_every_network_is_a_row_with_its_size():
    rows = {line.split()[0]: line for line in text_of(list_mechanisms(networks=True)).splitlines() if line.strip()}
    for name, network in PUBLISHED.items():
        assert f"{network.size[0]:,}" in rows[name]
        assert network.accuracy is None or f"{network.accuracy.top1:.2f}" in rows[name]


def test_search_covers_names_and_papers():
    assert set(list_networks("squeeze-and-ex").networks) == {
        n for n, one in PUBLISHED.items() if one.mechanism.name == "se"
    }
    assert list(list_networks("senet154").networks) == ["senet154"]
    assert "No network matches" in text_of(list_networks("no such thing"))


def test_json_has_all_facts():
    records = json.loads(str(list_mechanisms(networks=True, json=True)))
    assert [record["name"] for record in records] == list(PUBLISHED)
    accuracies = {record["name"]: record["accuracy"] for record in records}
    assert accuracies["se_resnet50"]["top1"] == PUBLISHED["se_resnet50"].accuracy.top1


def test_filters_of_mechanisms_are_refused_with_networks():
    with pytest.raises(OptionError, match="family='channel' is not allowed with networks"):
        list_mechanisms(networks=True, family="channel")
    with pytest.raises(OptionError, match=r"senet154 is a network.*name its mechanism, se"):
        show("senet154", shape="64x7x7")


@pytest.mark.parametrize("name", ["se_resnet50", "senet154", "resnest50", "cbam_resnet18", "attention56"])
def test_a_profile_says_what_the_network_is(name):
    text = text_of(show(name))
    network = PUBLISHED[name]
    assert f"{network.size[0]:,} parameters" in text
    assert network.paper.title in text
    assert (network.note or name) in text


def test_a_profile_names_the_plain_networks_layout():
    assert 'models.create("resnet50", attention="se")' in text_of(show_network("se_resnet50"))
    assert "differs from" not in text_of(show_network("cbam_resnet50"))


def test_the_page_of_the_docs_is_derived():
    page = list_networks().markdown()
    for name, network in PUBLISHED.items():
        assert f"| `{name}` | {network.size[0]:,} | {network.size[1] / 1e9:.3f} |" in page
    assert "list_networks().markdown()" in (ROOT / "docs/hooks.py").read_text()
    assert "reference/networks.md" in (ROOT / "mkdocs.yml").read_text()
