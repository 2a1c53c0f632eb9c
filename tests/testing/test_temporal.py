import pytest
import torch

from regard.core import OptionError, UnknownNameError
from regard.testing import TEMPORAL_CHECKS, ConformanceError, check_temporal
from tests.testing.alignments import Leaky


def test_every_check_has_a_promise():
    for name, check in TEMPORAL_CHECKS.items():
        assert name.isidentifier()
        assert check.__doc__.strip().endswith(".")


def test_a_failure_raises_unless_reported():
    with pytest.raises(ConformanceError, match=r"dotted: 1 of 1 checks failed\.\n  weights: A weight"):
        check_temporal(Leaky, checks=("weights",))
    assert not check_temporal(Leaky, checks="weights", raise_on_failure=False).passed


def test_an_unknown_check_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no check named 'weight'\. Did you mean 'weights'"):
        check_temporal(Leaky, checks="weight")
    with pytest.raises(OptionError, match="checks is empty; name some of shapes, "):
        check_temporal(Leaky, checks=())


def test_an_instance_is_checked_on_copies():
    module = Leaky(3, 2).double()
    before, random = module.project.weight.clone(), torch.get_rng_state()
    check_temporal(module, checks=("without_weights", "taps"))
    assert torch.equal(module.project.weight, before)
    assert module.project.weight.grad is None
    assert torch.equal(torch.get_rng_state(), random)
