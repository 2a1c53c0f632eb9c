import pytest
import torch

from regard.core import Tap
from regard.testing import check_temporal
from tests.testing.alignments import Careless, Forgetful, Stateful

KEPT = ("shapes", "without_weights", "step_by_step", "taps", "dtypes", "gradcheck", "unused_parameters", "wrong_input")


def sentence(mechanism, check):
    return check_temporal(mechanism, checks=check, raise_on_failure=False)[check].sentence


def test_a_state_that_no_fact_names_is_found():
    assert "It returned a state, but its facts do not name an input `state`" in sentence(Forgetful, "shapes")


def test_one_pass_and_steps_share_their_state():
    assert "step by step a value of state has shape (4, 6)" in sentence(Stateful, "step_by_step")


@pytest.mark.parametrize(("tap", "says"), [(Tap("gate"), "Its taps are map; it must"), (None, "Its taps are none")])
def test_a_tap_of_another_kind_is_found(tap, says):
    module = Careless(5, 4)
    module.map = tap or torch.nn.Identity()
    assert says in sentence(module, "taps")


def test_weights_in_half_precision_are_found():
    assert "the weights torch.bfloat16; they must be" in sentence(Careless, "dtypes")


def test_a_parameter_that_is_not_used_is_found():
    module = Careless(5, 4)
    module.extra = torch.nn.Parameter(torch.ones(()))
    assert sentence(module, "unused_parameters") == "The parameter extra gets no gradient."


def test_what_is_accepted_though_wrong_is_found():
    class Trusting(Careless):
        def expect_memory(self, keys, values=None, mask=None):
            pass

    assert "keys (4, 6, 3) raised RuntimeError" in sentence(Trusting, "wrong_input")
    assert "mask of shape" in sentence(Careless, "wrong_input") or "mask (4, 2, 6)" in sentence(Careless, "wrong_input")


def test_a_hidden_difference_without_weights_is_found():
    class Other(Careless):
        def forward(self, *given, need_weights=True, **named):
            found = super().forward(*given, need_weights=need_weights, **named)
            return found if need_weights else found._replace(context=found.context + 1e-6)

    assert "with need_weights=False a value of context is" in sentence(Other, "without_weights")
