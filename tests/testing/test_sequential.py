import pytest
import torch

from regard.core import OptionError
from regard.testing.sequential import LENGTHS, run_steps, sequential_subject
from tests.testing.alignments import Careless


@pytest.mark.parametrize(
    ("mechanism", "says"),
    [
        ("additive", "'additive' is no temporal mechanism"),
        (lambda query_size, key_size: torch.nn.Identity(), "it built Identity; it must build a regard.core.Temporal"),
        (lambda size: Careless(size, size), "it cannot be built from query_size=5 and key_size=4"),
    ],
)
def test_what_is_no_temporal_mechanism_is_said(mechanism, says):
    with pytest.raises(OptionError, match=f"check_temporal: {says}"):
        sequential_subject(mechanism)


def test_equal_draws_give_equal_modules():
    subject = sequential_subject(Careless)
    first, again, other = subject.module(), subject.module(), subject.module(draw=1)
    assert torch.equal(first.project.weight, again.project.weight)
    assert not torch.equal(first.project.weight, other.project.weight)


def test_a_row_is_a_sequence_without_padding():
    given = sequential_subject(Careless).given()
    assert given.mask.sum(1).tolist() == list(LENGTHS)
    alone = given.row(1)
    assert (alone.keys.shape[:2], alone.mask) == ((1, LENGTHS[1]), None)


def test_steps_are_put_together():
    subject = sequential_subject(Careless)
    module, given = subject.module(), subject.given()
    together, steps = module(given.query, given.keys, given.values), run_steps(module, subject.given().row(0))
    torch.testing.assert_close(steps.context[0], together.context[0])
    assert run_steps(module, subject.given().row(0), need_weights=False).weights is None
