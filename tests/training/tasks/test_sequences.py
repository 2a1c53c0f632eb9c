import pytest
import torch
from torch.nn.functional import cross_entropy

from regard.core import Draws, OptionError, TextBatch
from regard.core.run_record import TaskRecord
from regard.core.vocabulary import BEGIN, END, PAD, Vocabulary
from regard.models import create_seq2seq
from regard.training import Recipe
from regard.training.tasks.named import named_task
from regard.training.tasks.sequences import Sequences

VOCABULARY = Vocabulary.learn(["abcd"], "characters")


@pytest.fixture(scope="module")
def net():
    return create_seq2seq(
        "seq2seq:hidden=8", source_symbols=9, target_symbols=len(VOCABULARY), attention="additive:start=random", seed=0
    ).eval()


def batch():
    target = torch.tensor([[BEGIN, 5, 6, END], [BEGIN, 7, END, PAD]])
    return TextBatch(
        torch.tensor([[4, 5, END], [6, END, PAD]]), torch.tensor([3, 2]), target, (("bc",), ("d",)), torch.arange(2)
    )


def draws(epoch=0):
    return Draws(seed=1, indices=torch.arange(2), epoch=epoch)


def test_the_loss_leaves_padding_out(net):
    given = batch()
    total, parts = Sequences(VOCABULARY, longest=5).loss(net, given, draws())
    logits = net(given.source, given.lengths, given.target[:, :-1])
    there = given.target[:, 1:] != PAD
    torch.testing.assert_close(total, cross_entropy(logits[there], given.target[:, 1:][there]))
    assert parts["forced"] == 1


def test_forcing_falls_over_the_epochs(net):
    task = Sequences(VOCABULARY, longest=5, forcing=0.0, epochs=5)
    many = torch.zeros(400, 20, dtype=torch.int64)
    shares = []
    for epoch in range(5):
        forced = task._forced(many, Draws(seed=1, indices=torch.arange(400), epoch=epoch))
        shares.append(1.0 if forced is None else float(forced.float().mean()))
    assert shares == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=0.02)
    first, again = (task.loss(net, batch(), draws(3)).total for _ in range(2))
    assert torch.equal(first, again)


def test_scores_and_what_is_right(net):
    task, given = Sequences(VOCABULARY, longest=6, beams=2), batch()
    said = task.predict(net, given)
    assert said.counts.tolist() == [3, 2]
    texts = task.texts(said)
    assert task.right(said, given).tolist() == [
        text in right for text, right in zip(texts, given.references, strict=True)
    ]
    scores = task.score([said], [given.without_inputs()])
    assert scores.choice == "exact_match"
    assert scores["loss"] == pytest.approx(float(said.losses.sum()) / 5)


def test_a_task_comes_back_from_its_record():
    task = Sequences(VOCABULARY, longest=9, beams=3, length_penalty=0.5)
    again = named_task(TaskRecord(**task.to_json() | {"classes": ()}), "a file")
    assert again.to_json() == task.to_json()


def test_what_is_about_images_is_refused():
    with pytest.raises(OptionError, match=r"mixup=0\.2 is not allowed with text"):
        Sequences.trained_by(Recipe(mixup=0.2), VOCABULARY, longest=5)
    with pytest.raises(OptionError, match=r"teacher_forcing=1\.5"):
        Recipe(teacher_forcing=1.5)
    assert Sequences.trained_by(Recipe(teacher_forcing=0.5), VOCABULARY, longest=5).forcing == 0.5
