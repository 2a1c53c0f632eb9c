import pytest

from regard.recipes.predict import predict
from regard.recipes.train import train
from tests.recipes.texts import MODEL, QUICK, write_words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("text")
    words = write_words(base / "words.tsv")
    return train(data=words, model=MODEL, attention="additive", out=str(base / "run"), recipe=QUICK, device="cpu").path


def test_answers_keep_their_order(folder, tmp_path):
    texts = ["abc", "a", "abcdabcd", "", "ab"]
    found = predict(texts, run=str(folder), beams=2, out=str(tmp_path / "answers.tsv"), device="cpu")
    assert [one.text for one in found.answers] == ["abc", "a", "abcdabcd", "ab"]
    alone = [predict([one.text], run=str(folder), beams=2, device="cpu").answers[0].answer for one in found.answers]
    assert [one.answer for one in found.answers] == alone
    assert all(0 <= one.score <= 1 for one in found.answers)
    assert len((tmp_path / "answers.tsv").read_text().splitlines()) == 5
    assert found.account.reasons() == {"left out, an empty line": ("text 4",)}


def test_unknown_symbols_are_read_with_a_warning(folder, capsys):
    assert predict(["aжb"], run=str(folder), device="cpu").answers[0].text == "aжb"
    assert "1 of 1 texts hold symbols that the network never met" in " ".join(capsys.readouterr().err.split())
