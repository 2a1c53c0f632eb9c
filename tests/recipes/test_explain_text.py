import numpy as np
import pytest
import torch

from regard.core import RunError, taps
from regard.recipes.explain import explain_images
from regard.recipes.explain_text import explain_text
from regard.recipes.texts import load_text_network
from regard.recipes.train import train
from tests.recipes.texts import MODEL, QUICK, write_words


def trained(folder, attention):
    words = write_words(folder / "words.tsv")
    done = train(data=words, model=MODEL, attention=attention, out=str(folder / "run"), recipe=QUICK, device="cpu")
    return load_text_network(done.path)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("text"), "additive")


def test_an_alignment_has_a_row_for_each_symbol(loaded):
    found = explain_text(loaded, "abc", beams=2)
    (alignment,) = found.alignments
    assert alignment.source == ("a", "b", "c", "⊣")
    assert alignment.target == (*found.answer, "⊣")
    assert alignment.weights.shape == (len(found.answer) + 1, 4)
    np.testing.assert_allclose(alignment.weights.sum(1), 1, atol=1e-6)


def test_the_alignment_is_that_of_the_search(loaded):
    """One pass over the answer looks where the search looked."""
    seen = []
    (tap,) = taps(loaded.net).values()
    tap.sink = lambda attn: seen.append(attn.detach()[0, 0].clone())
    try:
        found = loaded.net.answer(torch.tensor(loaded.code.source.encode(["abcd"])), torch.tensor([5]), longest=20)
    finally:
        tap.sink = None
    (alignment,) = explain_text(loaded, "abcd").alignments
    if found.symbols.shape[1] < 20:
        np.testing.assert_allclose(alignment.weights, torch.stack(seen).numpy(), atol=1e-6)


def test_each_text_has_its_folder(loaded, tmp_path):
    made = explain_images(["abc", "", "b/d"], run=str(loaded.path), out=str(tmp_path), device="cpu")
    assert [folder.name for folder in made.folders] == ["01-abc", "02-b-d"]
    assert all(list(folder.glob("01_decoder.attention.*_alignment.png")) for folder in made.folders)
    assert len(made.account.left_out) == 1


def test_a_network_without_attention_shows_nothing(tmp_path):
    with pytest.raises(RunError, match="a network without attention"):
        explain_text(trained(tmp_path, None), "abc")
