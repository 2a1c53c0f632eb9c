"""Lists, profiles and citations say what the classes say."""

import pytest
from rich.console import Console

from regard.attention import CATALOGUE, CONTROLS
from regard.core import OptionError, UnknownNameError
from regard.recipes.catalogue import cite, list_mechanisms, show

EVERYTHING = (*CATALOGUE, *CONTROLS)


def text_of(page):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(page)
    return capture.get()


def test_everything_is_listed_once_in_the_catalogue_s_order():
    listing = list_mechanisms()
    assert listing.mechanisms + listing.controls == tuple(m.facts for m in EVERYTHING)
    assert all(f"\n{m.facts.name} " in text_of(listing) for m in EVERYTHING)


def test_a_list_is_narrowed_by_what_is_weighed():
    kept = {facts.name for facts in list_mechanisms(family="spatial").mechanisms}
    assert kept == {m.facts.name for m in CATALOGUE if m.facts.family == "spatial"}
    assert "none of that kind yet" in text_of(list_mechanisms(family="temporal"))


def test_a_family_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="choose one of channel, spatial"):
        list_mechanisms(family="chanel")


@pytest.mark.parametrize("mechanism", EVERYTHING, ids=lambda m: m.facts.name)
def test_every_mechanism_can_be_shown_and_every_option_is_explained(mechanism):
    profile = show(mechanism.facts.name)
    assert profile.text
    assert "Args:" not in profile.text
    assert all(option.text for option in profile.options), profile.options
    page = text_of(profile)
    assert mechanism.facts.paper.title in page
    assert all(departure in page for departure in mechanism.facts.departures)


def test_parameters_are_counted_with_the_options_given():
    assert show("se").parameters == {64: 64 * 4 + 4 + 4 * 64 + 64, 256: 256 * 16 + 16 + 16 * 256 + 256}
    assert show("se:reduction=32").parameters[64] == 64 * 2 + 2 + 2 * 64 + 64


def test_a_misspelt_name_or_option_lists_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'cbam'"):
        show("cbma")
    with pytest.raises(OptionError, match="Did you mean 'reduction'"):
        show("se:reductoin=3")


def test_a_paper_is_cited_once_and_different_papers_have_different_keys():
    assert list(cite(("se", "cbam", "cbam_channel")).papers) == ["hu2018squeeze", "woo2018cbam"]
    papers = {m.facts.paper.title: m.facts.paper for m in EVERYTHING}
    assert len(cite(tuple(m.facts.name for m in EVERYTHING)).papers) == len(papers)


def test_bibtex_has_balanced_braces_and_each_field_once():
    entry = str(cite(("cbam",)))
    assert entry.count("{") == entry.count("}")
    fields = [line.split(" = ")[0].strip() for line in entry.splitlines() if " = " in line]
    assert fields == ["title", "author", "booktitle", "year", "eprint", "archivePrefix"]
