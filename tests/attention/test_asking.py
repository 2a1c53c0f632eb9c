import pytest
import torch

from regard.attention.asking import ask, expect_state, memorise
from regard.attention.temporal.additive import Additive
from regard.core import Memory, ShapeError
from tests.attention.drawn import features
from tests.attention.temporal.alignments import sequences


@pytest.fixture
def module():
    return Additive(3, 4).double()


def test_masked_keys_are_zeroed_before_projection(module):
    _, keys, values, mask = sequences()
    keys[1, 5], values[1, 6] = torch.nan, torch.inf
    memory = memorise(module, keys, values, mask, lambda given: given + 1)
    assert (memory.keys[1, 4:] == 1).all()
    assert not memory.values[1, 4:].any()
    assert torch.equal(memory.keys[0], keys[0] + 1)
    assert torch.equal(memory.values[0], values[0])


def test_keys_are_the_values_unless_others_are_given(module):
    _, keys, _, _ = sequences()
    memory = memorise(module, keys, None, None)
    assert memory.keys is memory.values is keys


def test_partly_visible_nan_values_are_marked(module):
    query, keys, values, _ = sequences()
    values[0, 2] = torch.nan
    mask = torch.ones(3, 5, 7, dtype=torch.bool)
    mask[0, 1:, 2] = False
    asked = ask(module, query, keys, values, mask)
    assert asked.values.isfinite().all()
    assert asked.spoiled.nonzero().tolist() == [[0, 0, 2]]
    weights = asked.share(features(3, 5, 7))
    assert weights[0, 0].isnan().all()
    assert weights[0, 1:].isfinite().all()
    context = asked.gather(weights)
    assert context[0, 0].isnan().all()
    assert context[0, 1:].isfinite().all()


def test_one_query_gets_its_answer_without_the_axis(module):
    query, keys, _, mask = sequences()
    asked = ask(module, query[:, 0], keys, None, mask)
    assert (asked.query.shape, asked.allowed.shape) == ((3, 1, 3), (3, 1, 7))
    answer = asked.answer(torch.zeros(3, 1, 4), torch.zeros(3, 1, 7))
    assert (answer.context.shape, answer.weights.shape, answer.state) == ((3, 4), (3, 7), None)


def test_a_query_that_sees_nothing_is_zeroed(module):
    query, keys, _, mask = sequences()
    query[2] = torch.nan
    asked = ask(module, query, keys, None, mask)
    assert not asked.query[2].any()
    assert torch.equal(asked.query[:2], query[:2])


@pytest.mark.parametrize("own", [True, False])
def test_the_fused_kernel_agrees_with_full_weights(own):
    module, (query, _, values, mask) = Additive(3, 3).double(), sequences()
    keys = features(3, 7, 3, seed=9)
    if own:
        mask = mask.unsqueeze(1) & (features(3, 5, 7, seed=4) > 0)
    asked = ask(module, query, Memory(keys, values, mask))
    weights = asked.share(asked.query @ asked.keys.transpose(1, 2))
    torch.testing.assert_close(asked.fuse(), asked.gather(weights), rtol=1e-12, atol=1e-12)


def test_each_step_has_its_own_mask(module):
    query, keys, values, _ = sequences()
    mask = features(3, 5, 7, seed=4) > 0
    steps = list(ask(module, query, keys, values, mask).steps())
    assert all(torch.equal(step.allowed[:, 0], mask[:, i]) for i, step in enumerate(steps))
    assert all(torch.equal(step.query[:, 0], query[:, i]) for i, step in enumerate(steps) if mask[:, i].any(-1).all())


@pytest.mark.parametrize(
    ("first", "row"), [("first", [0, 1, 0, 0]), ("uniform", [0, 0.5, 0.5, 0]), ("zero", [0, 0, 0, 0])]
)
def test_the_alignment_before_the_first_step(module, first, row):
    mask = torch.tensor([[False, True, True, False], [False] * 4])
    asked = ask(module, features(2, 3), features(2, 4, 4), None, mask)
    assert asked.begin(first).tolist() == [row, [0] * 4]
    assert asked.begin(first).dtype == torch.float64
    assert asked.clear(torch.ones(2, 4))[0].tolist() == [0, 1, 1, 0]


def test_a_mask_of_other_queries_is_said(module):
    query, keys, _, _ = sequences()
    mask = torch.ones(3, 2, 7, dtype=torch.bool)
    with pytest.raises(ShapeError, match=r"additive: mask has shape \(3, 2, 7\), with a row for each of 2 queries"):
        ask(module, query, keys, None, mask)


def test_a_wrong_state_is_said():
    keys = torch.zeros(2, 5, 4)
    with pytest.raises(ShapeError, match=r"coverage: state has shape \(2, 4\).*floating point \(2, 5\): give what the"):
        expect_state("coverage", torch.zeros(2, 4), keys)
    assert expect_state("coverage", torch.zeros(2, 5).half(), keys).dtype == torch.float32
