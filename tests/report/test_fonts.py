"""Every letter is drawn by a font that has it, or spelt out with a remark."""

import pytest

from regard.report import fonts
from regard.report.fonts import USUAL, Lettering, lettering_for


def test_letters_of_the_usual_font_need_nothing():
    for text in ("cat", "Mädchen", "кот", "γάτα", "a b\n"):
        assert lettering_for([text]) == Lettering()
        assert lettering_for([text]).write(text) == text


def test_letters_that_no_font_has_are_spelt_out(monkeypatch):
    usual = fonts._installed_fonts()[:1]
    monkeypatch.setattr(fonts, "_installed_fonts", lambda: usual)
    lettering = lettering_for(["cat 猫", "ねこ"])
    assert lettering.families == (USUAL,)
    assert lettering.write("cat 猫") == "cat [U+732B]"
    assert lettering.write("ねこ") == "neko"
    assert lettering.remark.startswith("No font here has ")
    assert Lettering().remark == ""


def test_a_font_that_has_them_is_used(monkeypatch):
    monkeypatch.setattr(fonts, "_installed_fonts", lambda: ((USUAL, "usual"), ("Wide", "wide"), ("Other", "other")))
    monkeypatch.setattr(fonts, "_has_letter", lambda path, letter: path == "wide" or letter.isascii())
    assert lettering_for(["cat 猫"]) == Lettering((USUAL, "Wide"))


@pytest.mark.parametrize("text", ["\ue000", "\U0010fffd"])
def test_private_letters_are_no_fault(text):
    assert lettering_for([text]).write(text).isascii() or lettering_for([text]).missing == frozenset()
