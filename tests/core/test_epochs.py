import json

from regard.core import Epoch, Score, Scores

VAL = Scores(all=(Score(name="loss", value=0.1 + 0.2, better="lower"),), choice="loss")
ROW = Epoch(epoch=2, step=10, lr=0.1, train_loss=1.5, val=VAL, seconds=2.0, parts={"policy": 0.25})


def test_flat_numbers_have_prefixes():
    assert list(ROW.numbers()) == ["epoch", "step", "lr", "train_loss", "train_policy", "val_loss", "seconds"]
    assert ROW.numbers()["val_loss"] == 0.1 + 0.2


def test_the_record_survives_json():
    assert Epoch.from_json(json.loads(json.dumps(ROW.to_json()))) == ROW
