"""Lists, profiles and citations say what the classes say."""

import json
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from regard.attention import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL
from regard.cli.main import main
from regard.core import OptionError, UnknownNameError
from regard.recipes.catalogue import cite, flow_of, list_mechanisms, show
from tests.contract.sources import ROOT

EVERYTHING = (*CATALOGUE, *LOOKING, *SEQUENTIAL, *CONTROLS)


def text_of(page):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(page)
    return capture.get()


def names(**filters):
    listing = list_mechanisms(**filters)
    return [facts.name for facts in (*listing.mechanisms, *listing.controls)]


def test_everything_is_listed_once_in_catalogue_order():
    listing = list_mechanisms()
    assert listing.mechanisms + listing.controls == tuple(m.facts for m in EVERYTHING)
    assert all(f"\n{m.facts.name} " in text_of(listing) for m in EVERYTHING)


def test_family_selects_mechanisms():
    kept = {facts.name for facts in list_mechanisms(family="spatial").mechanisms}
    assert kept == {m.facts.name for m in (*CATALOGUE, *LOOKING) if m.facts.family == "spatial"}
    assert names(family="temporal") == [m.facts.name for m in SEQUENTIAL]
    assert "No mechanism matches" in text_of(list_mechanisms(family="temporal", kind="hard"))


def test_a_list_is_narrowed_by_every_fact():
    for option, of in {"kind": lambda f: f.kind, "act": lambda f: f.act, "at": lambda f: f.at}.items():
        for value in {of(m.facts) for m in EVERYTHING}:
            assert names(**{option: value}) == [m.facts.name for m in EVERYTHING if of(m.facts) == value]


def test_dims_select_mechanisms_and_the_counted_shape():
    listing = list_mechanisms(dims=1)
    assert all(1 in facts.dims for facts in listing.mechanisms)
    assert {size.shape for size in listing.sizes.values()} == {(256, 1024)}


def test_search_covers_names_titles_authors_in_any_case():
    assert names(search="SQUEEZE-AND-EX") == ["se"]
    assert names(search="sanghyun") == [m.facts.name for m in CATALOGUE if "Sanghyun" in m.facts.paper.authors]
    assert "criss_cross" in names(search="criss_c")
    assert names(search="no such thing") == []


def test_a_list_as_json_is_nothing_but_json(capsys):
    assert main(["list", "--json", "--family", "branch"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in records] == names(family="branch")


def test_a_family_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="choose one of channel, spatial"):
        list_mechanisms(family="chanel")


@pytest.mark.parametrize("mechanism", EVERYTHING, ids=lambda m: m.facts.name)
def test_every_mechanism_is_shown_with_described_options(mechanism):
    profile = show(mechanism.facts.name)
    assert profile.text
    assert "Args:" not in profile.text
    assert all(option.text for option in profile.options), profile.options
    page = " ".join(text_of(profile).split())
    assert mechanism.facts.paper.title in page
    assert all(departure in page for departure in mechanism.facts.departures)


def test_parameters_are_counted_with_the_options_given():
    assert show("se").parameters == {64: 64 * 4 + 4 + 4 * 64 + 64, 256: 256 * 16 + 16 + 16 * 256 + 256}
    assert show("se:reduction=32").parameters[64] == 64 * 2 + 2 + 2 * 64 + 64


def test_costs_are_counted_at_the_shape_asked_for():
    assert show("se", shape="64x7x5").size.shape == (64, 7, 5)
    assert show("cbam", shape="64x9").forms.output == (64, 9)
    assert show("cbam:dims=3").size.shape == (256, 8, 28, 28)


def test_a_malformed_shape_is_refused_with_the_form():
    with pytest.raises(OptionError, match="256x1024, 256x56x56"):
        show("se", shape="56")
    with pytest.raises(OptionError, match="it takes 2"):
        show("cbam:dims=2", shape="64x9")


def test_a_drawing_is_svg_only(tmp_path, capsys):
    assert main(["show", "se", "--drawing", str(tmp_path / "se.svg")]) == 0
    assert ElementTree.parse(tmp_path / "se.svg").getroot().tag.endswith("svg")
    assert "The drawing was written to" in capsys.readouterr().err
    with pytest.raises(OptionError, match=r"\.svg"):
        show("se", drawing=tmp_path / "se.png")


def test_the_page_on_choosing_names_mechanisms_that_exist():
    text = (ROOT / "docs/explanation/choosing.md").read_text()
    others = {"wide", "resnet50", "seresnet50"}
    assert set(re.findall(r"`(\w+)`", text)) - others <= {m.facts.name for m in EVERYTHING}


def test_a_misspelt_name_or_option_lists_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'cbam'"):
        show("cbma")
    with pytest.raises(OptionError, match="Did you mean 'reduction'"):
        show("se:reductoin=3")


def test_a_misspelt_network_lists_networks_and_mechanisms():
    with pytest.raises(
        UnknownNameError, match=r"or published network named 'se_resnet5'\. Did you mean .*'se_resnet50'.*There"
    ):
        show("se_resnet5")
    with pytest.raises(UnknownNameError, match=r"There are: additive, .*cbam, .*senet154, .*van_b0"):
        show("zzz")
    with pytest.raises(UnknownNameError, match="'ema' means several things"):
        show("ema")


def test_papers_are_cited_once_with_distinct_keys():
    assert list(cite(("se", "cbam", "cbam_channel")).papers) == ["hu2018squeeze", "woo2018cbam"]
    papers = {m.facts.paper.title: m.facts.paper for m in EVERYTHING}
    assert len(cite(tuple(m.facts.name for m in EVERYTHING)).papers) == len(papers)


def test_bibtex_has_balanced_braces_and_each_field_once():
    entry = str(cite(("cbam",)))
    assert entry.count("{") == entry.count("}")
    fields = [line.split(" = ")[0].strip() for line in entry.splitlines() if " = " in line]
    assert fields == ["title", "author", "booktitle", "year", "eprint", "archivePrefix"]


def test_no_mechanism_of_a_wrong_name_is_drawn():
    with pytest.raises(UnknownNameError):
        flow_of("cbma")
    with pytest.raises(OptionError):
        flow_of("se:reduction=0")
