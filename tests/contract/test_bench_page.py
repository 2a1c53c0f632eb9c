"""The page about time holds the tables and the plot of the results that are checked in."""

import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.kernels.__main__ import BEGIN, COMMANDS, END, PAGE, TITLES, section, speed_rows, write_page
from regard.core import RunError
from regard.recipes.bench_results import write_bench
from tests.recipes.bench_records import case, results

MODULES = results(
    case(eager=2.0, reference=3.0, copy=0.5),
    case(eager=4.0, reference=3.0, copy=0.5, layout="channels last"),
    case(shape=(1, 256, 56, 56), eager=9.0, copy=0.1),
    case(mechanism="simam", mode="training", reference=1.5, copy=0.25),
)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("".join(f"{BEGIN.format(name)}\nold\n{END.format(name)}\n" for name in TITLES))
    return path


def test_the_docs_hold_the_tables_of_the_results(tmp_path):
    copied = tmp_path / "speed.md"
    copied.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_page(copied, tmp_path / "speed.svg")
    assert copied.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_tables_and_plot_are_made_of_the_files(page, tmp_path):
    write_bench(MODULES, tmp_path / "modules.json")
    write_page(page, tmp_path / "speed.svg", tmp_path)
    text = page.read_text()
    assert "| se | inference | 16 | timm | 2.8 (2.0 to 4.0) | – | 3.0 (3.0 to 3.0) | 2.0 |" in text
    assert f"Not measured yet. To be made by `{COMMANDS['networks']}`." in text
    assert "![inference: se takes regard 2.0, the twin 5.7, regard in plain PyTorch 6.0 copies." in text
    assert ElementTree.parse(tmp_path / "speed.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_plot_has_the_largest_batch():
    rows = speed_rows(MODULES.regimes[0].cases)
    assert [row.mechanism for row in rows["forward + backward"]] == ["simam"]
    assert list(rows["forward + backward"][0].copies) == ["regard", "regard in plain PyTorch"]
    assert speed_rows((case(network="resnet50", plain=1.0, auto=1.1),)) == {}


def test_a_network_needs_no_plot():
    text = section("networks", results(case(network="resnet50", plain=1.0, auto=1.1)))
    assert "![" not in text
    assert "| resnet50 with se" in text


def test_a_page_without_markers_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("nothing")
    with pytest.raises(RunError, match="has no room for the table"):
        write_page(tmp_path / "page.md", tmp_path / "speed.svg", tmp_path)
