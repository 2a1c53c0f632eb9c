"""Networks that are refused, with the order that works; a refusal changes nothing."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DataParallel

import regard
from regard.core import SurgeryError
from tests.surgery.networks import anatomy, same_anatomy, small_resnet


def compiled_in_place():
    net = small_resnet()
    net.compile(backend="eager")
    return net


def compiled_inside():
    net = small_resnet()
    net.layer1 = torch.compile(net.layer1, backend="eager")
    return net


REFUSED = {
    "compiled": (lambda: torch.compile(small_resnet(), backend="eager"), "insert first, then compile"),
    "compiled in place": (compiled_in_place, "insert first, then compile"),
    "compiled inside": (compiled_inside, r"\(layer1\).*then compile"),
    "parallel": (lambda: DataParallel(small_resnet()), "then wrap"),
    "scripted": (lambda: torch.jit.trace(nn.Conv2d(3, 3, 3), torch.zeros(1, 3, 8, 8)), "then script"),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d()), "run one batch"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_the_error_names_the_order_that_works(case):
    make, words = REFUSED[case]
    net = make()
    before = None if case == "lazy" else anatomy(net)
    with pytest.raises(SurgeryError, match=words):
        regard.attach(net, "se")
    assert before is None or same_anatomy(before, anatomy(net))


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_network_is_refused():
    from torch.ao.nn import quantized

    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this PyTorch quantises nothing")
    with pytest.raises(SurgeryError, match="then quantise"):
        regard.attach(nn.Sequential(quantized.Conv2d(3, 3, 3), nn.ReLU()), "se")


def test_a_plan_refuses_a_network_compiled_since():
    net = small_resnet()
    plan = regard.select(net, torch.zeros(1, 3, 64, 64)).at("residual").insert("se")
    net.compile(backend="eager")
    before = anatomy(net)
    with pytest.raises(SurgeryError, match="then compile"):
        plan.apply()
    assert same_anatomy(before, anatomy(net))


def test_what_is_no_network_is_refused():
    with pytest.raises(SurgeryError, match="no network"):
        regard.select("resnet18")
