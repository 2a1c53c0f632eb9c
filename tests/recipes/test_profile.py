"""The page of a mechanism says what its class says, and its example runs."""

import re

import pytest
from rich.console import Console

from regard.attention import CATALOGUE, CONTROLS, LOOKING, SEQUENTIAL, find
from regard.attention.exchange import layouts_of
from regard.core.layout import Layout
from regard.recipes.catalogue import show
from regard.recipes.profile import bibtex_key, costs_of, facts_of, paragraphs, read_docstring, twin

EVERYTHING = (*CATALOGUE, *LOOKING, *SEQUENTIAL, *CONTROLS)


def text_of(page, width=200):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(page)
    return " ".join(capture.get().split())


@pytest.mark.parametrize("mechanism", EVERYTHING, ids=lambda m: m.facts.name)
def test_the_example_runs_and_says_the_shapes(mechanism, capsys):
    profile = show(mechanism.facts.name, shape={1: "32x9", 2: "32x6x9", 3: "32x3x5x4"}[mechanism.facts.dims[-1]])
    exec(profile.example, {})
    printed = capsys.readouterr().out.splitlines()
    assert printed == re.findall(r"# (torch\.Size\(.*\))", profile.example)
    assert len(printed) == 2


@pytest.mark.parametrize("mechanism", EVERYTHING, ids=lambda m: m.facts.name)
def test_every_docstring_has_a_sentence_and_a_formula(mechanism):
    parts = paragraphs(read_docstring(mechanism)[0])
    assert not parts[0][1]
    assert any(formula for _, formula in parts)
    assert all("\n" not in part for part, formula in parts if not formula)


@pytest.mark.parametrize("mechanism", EVERYTHING, ids=lambda m: m.facts.name)
def test_the_page_names_all_facts(mechanism):
    profile = show(mechanism.facts.name)
    page = text_of(profile, width=400)
    assert mechanism.facts.paper.url in page
    assert bibtex_key(mechanism.facts.paper) in page
    assert mechanism.facts.parameters in page
    assert all(layout.twin in page for layout in layouts_of(mechanism.facts.name))
    assert all(f"map {seen.path}" in page for seen in profile.forms.maps)


def test_the_example_has_the_options_asked_for():
    example = show("bam:combine=add", shape="16x9").example
    assert 'regard.create("bam", channels=16, combine="add", dims=1)' in example


def test_costs_and_facts_are_in_words():
    profile = show("cbam")
    assert costs_of(profile)["map spatial.gate"] == "spatial (b, 1, 56, 56)"
    assert costs_of(profile)["parameters"] == "8,564"
    assert facts_of(profile)["map"] == "from 0 to 1; 1 has no effect"
    shares = "reading: from 0 to 1; an equal share over positions has no effect"
    assert facts_of(show("polarized"))["map"] == f"{shares}. gate, spatial: from 0 to 1; 0.5 has no effect"
    assert facts_of(show("static"))["family"].startswith("a control")


def test_what_docstrings_leave_to_the_base_is_said():
    _, options = read_docstring(find("se"))
    (start,) = [option for option in options if option.name == "start"]
    assert "starts as published" in start.text


def test_prose_is_joined_and_formulas_keep_their_lines():
    text = "It looks\nat all.\n\na, b = f(x)\ny = a b\n\nOne: Paper,\n2020."
    assert paragraphs(text) == [
        ("It looks at all.", False),
        ("a, b = f(x)\ny = a b", True),
        ("One: Paper, 2020.", False),
    ]


def test_a_twin_without_a_note_has_none():
    assert twin(Layout(library="timm", twin="timm.layers.SEModule")) == "timm (timm.layers.SEModule)"


def test_keys_of_different_papers_differ():
    papers = {m.facts.paper.title: m.facts.paper for m in EVERYTHING}
    assert len({bibtex_key(paper) for paper in papers.values()}) == len(papers)
