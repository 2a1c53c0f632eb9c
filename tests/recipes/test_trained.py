import json
from pathlib import Path

import pytest

from regard.core import Score, Scores
from regard.recipes.trained import Trained

SCORES = Scores(all=(Score(name="error", value=1.25, better="lower", unit="px"),), choice="error")


def made(**changed):
    facts = {"path": Path("run"), "network": "resnet8", "epochs": 3, "kept_epoch": 3, "seconds": 7.31, "images": 1200}
    return Trained(**facts | {"scores": SCORES} | changed)


def test_it_survives_json_in_a_folder_that_moved():
    assert Trained.from_json(json.loads(json.dumps(made().to_json())), Path("moved")) == made(path=Path("moved"))


@pytest.mark.parametrize(("kept", "said"), [(3, "in 7.3 s\n"), (2, "in 7.3 s, epoch 2 kept\n")])
def test_text_names_kept_epoch_and_every_score(kept, said):
    text = str(made(kept_epoch=kept))
    assert text.startswith(f"resnet8, 3 epochs {said}")
    assert "1,200 validation images: error 1.250 px\n" in text
