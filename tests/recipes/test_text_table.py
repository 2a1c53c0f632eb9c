import pytest
import torch

from regard import cost
from regard.core import OptionError, RunError
from regard.data import Reading
from regard.recipes.arms import build_arm, parse_arms
from regard.recipes.compare import compare
from regard.recipes.text_table import counted_products, open_text_table
from tests.recipes.texts import MODEL, QUICK, write_words


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return open_text_table(write_words(tmp_path_factory.mktemp("words") / "words.tsv"), None, 50, Reading())


def test_arms_differ_by_their_attention(table):
    backbone = table.backbone(MODEL)
    plain, other = (build_arm(arm, backbone, 0).state_dict() for arm in ("none", "additive"))
    assert all(torch.equal(value, other[name]) for name, value in plain.items())
    assert len(other) > len(plain)
    assert len(table.train) == 50


def test_costs_of_attention_are_counted(table):
    nets = [table.measurable(build_arm(arm, table.backbone(MODEL), 0)) for arm in ("none", "additive")]
    example, batch = table.examples((1, 4), torch.device("cpu"))
    assert nets[0](batch).shape == (4, len(table.code.target))
    with counted_products():
        plain, other = (cost.macs(net, example) for net in nets)
    # A direction of the encoder alone is 3 h (e + h) for each of the source's symbols.
    assert other > plain > 2 * 4 * 3 * 12 * (8 + 12)


def test_what_cannot_be_compared(table, tmp_path):
    with pytest.raises(OptionError, match="'wide' is not allowed with text"):
        parse_arms(("wide",), kind="text", model=MODEL)
    with pytest.raises(OptionError, match="must return a context"):
        parse_arms(("se",), kind="text", model=MODEL)
    data = write_words(tmp_path / "words.tsv", 60)
    with pytest.raises(RunError, match="contains other texts"):
        open_text_table(data, table.source.fingerprint, None, Reading())


@pytest.mark.example
def test_a_comparison_of_texts_has_a_report(tmp_path):
    data = write_words(tmp_path / "words.tsv")
    found = compare(
        ["additive"], data=data, model=MODEL, seeds=1, recipe=QUICK, out=str(tmp_path / "out"), threads=1, device="cpu"
    )
    assert [c.arm for c in found.results.against()] == ["none", "additive"]
    assert found.results.settings.run.input.kind == "text"
    page = found.report.read_text(encoding="utf-8")
    assert "Texts used" in page
    assert "test texts" in page
    assert page.count(": alignment of ") == 3
