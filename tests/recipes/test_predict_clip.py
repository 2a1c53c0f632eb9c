import csv

import pytest

from regard.core import OptionError
from regard.recipes.clips import load_clip_network
from regard.recipes.predict import predict


def test_of_its_own_source_validation_is_predicted(clip_run, tmp_path, capsys):
    data = load_clip_network(clip_run.path).record.data.name
    found = predict([data], run=str(clip_run.path), top=2, out=str(tmp_path / "found.csv"), device="cpu")
    assert len(found.predictions) == 24
    assert "only its 24 validation clips are used" in " ".join(capsys.readouterr().err.split())
    right = [p.classes[0][0] == ("bar", "line", "square")[i % 3] for i, p in enumerate(found.predictions)]
    assert sum(right) / 24 == clip_run.scores["accuracy"]
    rows = list(csv.reader((tmp_path / "found.csv").open()))
    assert rows[0] == ["clip", "rank", "class", "probability"]
    assert len(rows) == 1 + 2 * 24


def test_one_source_is_named(clip_run):
    with pytest.raises(OptionError, match="or one source, clips:PATH, and not 2"):
        predict(["clips:a", "clips:b"], run=str(clip_run.path))
