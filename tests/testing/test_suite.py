import warnings

import pytest
import torch
from torch import nn

import regard
from regard.core import OptionError, UnknownNameError
from regard.testing import CHECKS, OPT_IN, ConformanceError, check_attention
from tests.testing.gates import QUICK, Gate


def test_every_check_has_a_promise():
    for name, check in CHECKS.items():
        assert name.isidentifier()
        assert check.__doc__
        assert check.__doc__.strip().endswith(".")
    assert set(OPT_IN) < set(CHECKS)


def test_by_default_all_but_long_checks_run():
    report = check_attention(nn.Identity, channels=4, raise_on_failure=False)
    assert [outcome.name for outcome in report.outcomes] == [name for name in CHECKS if name not in OPT_IN]


def test_checks_run_in_their_order_and_once():
    report = check_attention(Gate, checks=("pickle", "shapes", "pickle"))
    assert [outcome.name for outcome in report.outcomes] == ["shapes", "pickle"]
    assert check_attention(Gate, checks="shapes").outcomes == report.outcomes[:1]


def test_an_unknown_check_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no check named 'shape'\. Did you mean 'shapes'"):
        check_attention(Gate, checks=("shape",))
    with pytest.raises(OptionError, match="checks is empty; name some of shapes, "):
        check_attention(Gate, checks=())


def test_a_device_that_is_no_device_is_refused():
    with pytest.raises(OptionError, match="device='gpu' is not allowed; choose auto, cpu, cuda"):
        check_attention(Gate, checks=("shapes",), device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_unavailable_device_is_refused():
    with pytest.raises(OptionError, match="device='cuda' was asked for, but PyTorch"):
        check_attention("no module", checks=("shapes",), device="cuda")


def test_a_failure_raises_by_default():
    with pytest.raises(ConformanceError, match=r"Flatten: 1 of 1 checks failed\.\n  shapes: x"):
        check_attention(nn.Flatten(), channels=3, checks=("shapes",))
    assert not check_attention(nn.Flatten(), channels=3, checks=("shapes",), raise_on_failure=False).passed


def test_module_and_global_state_stay_unchanged():
    module = regard.create("cbam", channels=8).eval().half()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    random = torch.get_rng_state()
    with warnings.catch_warnings(record=True) as seen, torch.no_grad():
        warnings.simplefilter("always")
        check_attention(module, checks=QUICK)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), random)
    assert not module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not seen


def test_modules_without_parameters_or_taps_skip_checks():
    class Parameterless(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x.square())

    report = check_attention(Parameterless(), channels=8, checks=set(QUICK) - {"pickle"})
    reasons = {outcome.name: outcome.sentence for outcome in report.skipped}
    assert reasons.keys() == {
        "few_channels", "unused_parameters", "taps", "neutral", "identity_start", "misspelt_option",
        "parameter_order", "parameter_count", "wrong_input", "statistics",
    }  # fmt: skip
    assert "no parameters" in reasons["unused_parameters"]
    assert "the class or a function" in reasons["misspelt_option"]


def test_catalogue_mechanisms_skip_nothing():
    assert not check_attention(regard.find("se"), checks=QUICK).skipped


def test_any_error_of_a_module_is_a_failure():
    class Moody(Gate):
        def forward(self, x):
            if x.dtype == torch.float64:
                raise ArithmeticError("not today")
            return super().forward(x)

    report = check_attention(Moody, checks=("gradcheck",), raise_on_failure=False)
    assert "ArithmeticError: not today" in report["gradcheck"].sentence
