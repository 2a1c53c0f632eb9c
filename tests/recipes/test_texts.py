import pytest

from regard.core import CheckpointError, OptionError, RunError
from regard.core.run_record import InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.data import Reading
from regard.recipes.evaluate import evaluate
from regard.recipes.network import load_network
from regard.recipes.texts import load_text_network, open_text_for, text_code
from regard.recipes.train import train
from tests.recipes.texts import MODEL, QUICK, write_words


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words") / "words.tsv")


@pytest.fixture(scope="module")
def folder(words, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return train(data=words, model=MODEL, attention="additive", out=str(out), recipe=QUICK, device="cpu").path


def test_evaluation_says_what_training_said(words, folder, tmp_path):
    found = evaluate(run=str(folder), device="cpu", out=str(tmp_path / "scores.json"))
    assert (found.unit, found.split, found.by_class) == ("text", "val", None)
    assert {"exact_match", "bleu", "chrf", "character_error"} <= set(found.scores.values())
    tested = evaluate(run=str(folder), split="test", beams=3, device="cpu")
    assert tested.test_accesses == 1
    assert (tmp_path / "scores.json").exists()


def test_other_texts_are_scored_whole(folder, tmp_path):
    other = write_words(tmp_path / "other.tsv", 20)
    found = evaluate(run=str(folder), data=other, device="cpu")
    assert (found.split, found.n) == ("all", 20)


def test_what_cannot_be_scored(folder, words):
    loaded = load_text_network(folder)
    with pytest.raises(RunError, match="score its val or test texts, not all"):
        open_text_for(loaded, None, "all", Reading())
    with pytest.raises(OptionError, match="groups='folder' is not allowed with text"):
        open_text_for(loaded, words, None, Reading(groups="folder"))


def test_a_record_without_vocabulary_is_refused():
    record = RunRecord(
        network=NetworkRecord(name="seq2seq"), input=InputRecord(kind="text"), task=TaskRecord(name="sequences")
    )
    with pytest.raises(CheckpointError, match="names no 'vocabulary' of its texts"):
        text_code(record, "a file")


def test_each_loader_refuses_the_other_kind(folder, trained):
    with pytest.raises(RunError, match="takes images, not text"):
        load_text_network(trained.path)
    with pytest.raises(RunError, match="holds a network that takes text"):
        load_network(folder)
