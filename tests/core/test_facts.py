import dataclasses

import pytest

from regard.core import Facts, Paper


def paper(identifier, **more):
    known = {"title": "On Looking", "authors": "Ada A and Bob B", "year": 2020, "venue": "CVPR"}
    return Paper(identifier=identifier, **(known | more))


@pytest.mark.parametrize(
    ("identifier", "url"),
    [
        ("arXiv:1709.01507", "https://arxiv.org/abs/1709.01507"),
        ("doi:10.1000/a:b", "https://doi.org/10.1000/a:b"),
        ("pmlr:v139/yang21o", "https://proceedings.mlr.press/v139/yang21o.html"),
    ],
)
def test_a_paper_knows_where_it_can_be_read(identifier, url):
    assert paper(identifier).url == url


def test_bibtex_names_the_archive_or_the_doi():
    entry = paper("arXiv:1709.01507").bibtex("looking")
    assert entry.startswith("@inproceedings{looking,\n")
    assert entry.endswith("\n}")
    for field in (
        "title = {On Looking},",
        "author = {Ada A and Bob B},",
        "booktitle = {CVPR},",
        "year = {2020},",
        "eprint = {1709.01507},",
        "archivePrefix = {arXiv},",
    ):
        assert f"  {field}\n" in entry
    assert "doi = {10.1000/x}," in paper("doi:10.1000/x").bibtex("looking")
    page = paper("pmlr:v139/yang21o").bibtex("looking")
    assert "  url = {https://proceedings.mlr.press/v139/yang21o.html},\n" in page
    assert "eprint" not in paper("doi:10.1000/x").bibtex("looking")
    assert entry.count("{") == entry.count("}")


def test_bibtex_says_what_a_paper_was_printed_in():
    article = paper("doi:10.1000/x", venue="Neurocomputing", published="journal").bibtex("looking")
    assert article.startswith("@article{looking,\n")
    assert "  journal = {Neurocomputing},\n" in article
    preprint = paper("arXiv:1905.09646", venue="arXiv", published="preprint").bibtex("looking")
    assert preprint.startswith("@misc{looking,\n")
    assert "  archivePrefix = {arXiv},\n" in preprint
    assert "booktitle" not in article + preprint


def test_facts_of_a_plain_gate_are_the_defaults():
    facts = Facts(name="gate", family="channel", paper=paper("arXiv:1709.01507"))
    assert (facts.kind, facts.act, facts.at, facts.dims) == ("soft", "rescale", "residual", (1, 2, 3))
    assert (facts.returns, facts.inputs) == ("features", ())


def test_facts_do_not_change():
    facts = Facts(name="gate", family="channel", paper=paper("arXiv:1709.01507"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts.name = "other"
    with pytest.raises(TypeError):
        Facts("gate", "channel", paper("arXiv:1709.01507"))
