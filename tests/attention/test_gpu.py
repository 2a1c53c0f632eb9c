"""The whole catalogue on a CUDA device, held to the CPU's float64. Without such a device one line says so."""

import pytest
import torch

from regard.testing import OPT_IN, check_attention
from tests.attention.test_conformance import EAGER, GRAPHS, configurations, every, find, main_dims

if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)

ON_ANY_DEVICE = ("few_channels", "misspelt_option", "parameter_order", "parameter_count", "onnx")
"""Checks whose answer no device changes."""

COMPILED = ("se", "cbam", "sk", "stn", "multihead", "transposed")

FROZEN_NORM = (
    "the gradient of PyTorch 2.11's batch normalisation in evaluation on CUDA lies otherwise in memory than its "
    "compiler expects where the features lie channels-last, and only aot_eager keeps that operator"
)

SINGLE = "PyTorch 2.11's hard sigmoid and hard swish multiply by a sixth in float32 on CUDA, also in float64"

KNOWN = {("nonlocal", "compile"): FROZEN_NORM, ("coord", "dtypes"): SINGLE, ("se:gate=hard_sigmoid", "dtypes"): SINGLE}
"""Faults of PyTorch on CUDA, by mechanism or form and check."""


def checks_of(configuration):
    """Those that a device can change, without the known faults; a form is named by itself, not by its mechanism."""
    mechanism = configuration.name if ":" in configuration.name else configuration.name.partition("-")[0]
    return [name for name in configuration.checks if name not in ON_ANY_DEVICE and (mechanism, name) not in KNOWN]


@pytest.mark.parametrize("configuration", [*configurations()], ids=str)
def test_every_configuration_keeps_its_promises_on_a_gpu(configuration):
    check_attention(configuration.made, checks=checks_of(configuration), dims=configuration.dims, device="cuda")


@pytest.mark.graph
@every
def test_every_mechanism_is_captured_on_a_gpu(mechanism):
    graphs = [name for name in GRAPHS if name not in ON_ANY_DEVICE and (mechanism.facts.name, name) not in KNOWN]
    check_attention(mechanism, checks=graphs, dims=(main_dims(mechanism),), device="cuda")


@pytest.mark.graph
@pytest.mark.parametrize(("form", "check"), KNOWN)
def test_a_known_fault_is_still_there(form, check, request):
    request.applymarker(pytest.mark.xfail(reason=KNOWN[form, check]))
    assert check in (*EAGER, *GRAPHS)
    name, _, option = form.partition(":")
    (mechanism,) = find(name)
    options = dict([option.split("=")]) if option else {}
    check_attention(lambda channels, **more: mechanism(channels, **options | more), checks=check, device="cuda")


@pytest.mark.graph
@pytest.mark.parametrize("mechanism", find(*COMPILED), ids=lambda m: m.facts.name)
def test_inductor_agrees_on_a_gpu(mechanism):
    assert not check_attention(mechanism, checks=OPT_IN, device="cuda").skipped
