"""The table fits the window; the JSON contains everything."""

import json

import pytest
from rich.console import Console

from regard.attention import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL
from regard.recipes.catalogue import list_mechanisms
from regard.recipes.listing import JsonListing, Listing, millions

EVERYTHING = (*CATALOGUE, *LOOKING, *SEQUENTIAL, *CONTROLS)


def lines_of(listing, width):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(listing)
    return capture.get().splitlines()


@pytest.fixture(scope="module")
def listing():
    return list_mechanisms()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_row_fits_and_no_cell_is_cut(listing, width):
    lines = lines_of(listing, width)
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if "…" in line]
    for facts in (*listing.mechanisms, *listing.controls):
        (row,) = [line.split() for line in lines if line.startswith(f"{facts.name} ")]
        family = "control" if facts in listing.controls else facts.family
        size = listing.sizes[facts.name]
        assert row[:6] == [facts.name, family, facts.kind, facts.at, f"{size.parameters:,}", millions(size.macs)]


def test_narrow_windows_fit_most_rows_on_one_line(listing):
    count = len(listing.mechanisms) + len(listing.controls)
    assert len(lines_of(listing, 80)) < 1.4 * count


def test_wide_windows_show_titles_narrow_ones_authors(listing):
    assert "Squeeze-and-Excitation Networks, CVPR 2018" in "\n".join(lines_of(listing, 120))
    assert "Hu et al. 2018" in "\n".join(lines_of(listing, 80))


def test_another_shape_is_named_below_the_table():
    text = " ".join(" ".join(lines_of(list_mechanisms(dims=1), 120)).split())
    assert "at 256x1024" in text


def test_empty_list_says_how_to_see_all():
    assert "regard list" in lines_of(Listing((), (), {}), 80)[0]


def test_json_is_a_strict_array_of_all_facts(listing):
    records = json.loads(str(JsonListing(listing.records())), parse_constant=pytest.fail)
    assert [record["name"] for record in records] == [m.facts.name for m in EVERYTHING]
    by_name = {record["name"]: record for record in records}
    for mechanism in EVERYTHING:
        record, facts = by_name[mechanism.facts.name], mechanism.facts
        assert record["paper"]["title"] == facts.paper.title
        assert record["paper"]["url"] == facts.paper.url
        assert tuple(record["dims"]) == facts.dims
        assert tuple(record["departures"]) == facts.departures
        assert record["parameters_formula"] == facts.parameters
        assert record["is_control"] == (mechanism in CONTROLS)
    assert by_name["se"]["parameters"] == 8464
    assert by_name["se"]["shape"] == [256, 56, 56]
    assert by_name["sca_cnn"]["maps"][0]["high"] is None
    (attn,) = by_name["nonlocal"]["maps"]
    assert (attn["kind"], attn["shares"], attn["neutral"]) == ("query", ["source"], "an equal share over sources")


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (1280, "0.0013"), (1_600_000, "1.6"), (5_857_000_000, "5,857")])
def test_millions(number, text):
    assert millions(number) == text
