from regard.recipes.kinds import kind_of_run
from regard.recipes.train import train
from tests.recipes.texts import MODEL, QUICK, write_words


def test_runs_are_told_apart(trained, tmp_path):
    words = write_words(tmp_path / "words.tsv")
    written = train(data=words, model=MODEL, attention=None, out=str(tmp_path / "run"), recipe=QUICK, device="cpu")
    assert (kind_of_run(written.path), kind_of_run(trained.path)) == ("text", "image")
