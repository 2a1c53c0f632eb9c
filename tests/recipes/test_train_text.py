"""A run on texts is one like that on images: kept, resumed bit for bit, refused where it makes no sense."""

import json
import signal
import subprocess
import sys

import pytest
import torch

from benchmarks.sequences.dates import dates, write
from regard.core import OptionError, RunError
from regard.core.run_record import RunRecord
from regard.recipes.texts import load_text_network
from regard.recipes.train import train
from regard.training import Recipe, load_weights
from tests.recipes.texts import MODEL, QUICK, write_words


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words") / "words.tsv")


def run(words, out, **options):
    given = {"data": words, "model": MODEL, "attention": "additive", "recipe": QUICK, "device": "cpu"}
    return train(**given | options, out=str(out))


def test_what_a_run_leaves(words, tmp_path):
    done = run(words, tmp_path / "run")
    assert "validation texts: exact match" in str(done)
    assert "regard predict TEXTS" in str(done)
    record = RunRecord.from_json(load_weights(done.path / "weights.safetensors")[1]["run"], "weights")
    assert (record.input.kind, record.task.name, record.task.classes) == ("text", "sequences", ())
    facts = json.loads((done.path / "run.json").read_text())
    assert sum(facts["texts"].values()) == 120
    assert load_text_network(done.path).record == record


OPTIONS = {
    "model": MODEL + ",dropout=0.2",
    "attention": "multiplicative:score=general",
    "recipe": Recipe(epochs=4, batch_size=16, optimizer="adamw", lr=0.01, teacher_forcing=0.5, keep="best"),
}

KILLED = """
import os, signal, sys
from regard.recipes.train import train
from regard.training.tasks.sequences import Sequences
from tests.recipes.test_train_text import OPTIONS

loss, steps = Sequences.loss, []

def killing(self, net, batch, draws):
    steps.append(1)
    if draws.epoch == 2 and len(steps) == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss(self, net, batch, draws)

Sequences.loss = killing
train(data=sys.argv[1], out=sys.argv[2], device="cpu", **OPTIONS)
"""


@pytest.mark.e2e
def test_a_run_that_was_killed_ends_the_same(words, tmp_path):
    """With dropout, scheduled sampling and the best epoch; the process dies in the middle of the third epoch."""
    whole, folder = run(words, tmp_path / "whole", **OPTIONS), tmp_path / "run"
    killed = subprocess.run([sys.executable, "-c", KILLED, words, str(folder)], check=False, stderr=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "weights.safetensors").exists()
    resumed = train(resume=str(folder), device="cpu")
    assert resumed.scores == whole.scores
    one, other = (load_weights(path / "weights.safetensors")[0] for path in (whole.path, folder))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 32}, "size=32 is not allowed with text"),
        ({"balanced": True}, "balanced=True is not allowed with text"),
        ({"model": "resnet20"}, "no network for text named 'resnet20'"),
        ({"attention": "se"}, "must return a context"),
        ({"recipe": Recipe(mixup=0.2)}, "mixup=0.2 is not allowed with text"),
    ],
)
def test_what_is_about_images_is_refused(words, tmp_path, options, said):
    with pytest.raises((OptionError, LookupError), match=said):
        run(words, tmp_path / "run", **options)


def test_other_texts_cannot_be_resumed(tmp_path):
    data = write_words(tmp_path / "words.tsv")
    done = run(data, tmp_path / "run", recipe=Recipe(epochs=1, batch_size=64, optimizer="adamw"))
    write_words(tmp_path / "words.tsv", 100)
    (done.path / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="contains other texts now"):
        train(resume=str(done.path), device="cpu")


@pytest.mark.example
def test_attention_translates_dates_much_better(tmp_path):
    """At least 20 points of exact match over the same network without attention; 2,800 dates in 24 languages."""
    data = f"tsv:{write(tmp_path / 'dates.tsv', dates(4000))}"
    recipe = Recipe(epochs=6, batch_size=32, optimizer="adamw", lr=0.005, weight_decay=0.01, clip=1.0)
    scores = [
        run(data, tmp_path / str(arm), model="seq2seq:hidden=64", attention=arm, recipe=recipe).scores["exact_match"]
        for arm in ("additive", None)
    ]
    assert scores[0] > 0.75
    assert scores[0] - scores[1] > 0.2
