"""Networks that are refused, with the order that works; a refusal changes nothing."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

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


def lazy():
    return nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))


def quantised():
    from torch.ao.nn import quantized

    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this PyTorch quantises nothing")
    return nn.Sequential(quantized.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)).eval()


def prepared():
    """Ready for training with simulated quantisation."""
    net = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU()).train()
    net.qconfig = torch.ao.quantization.get_default_qat_qconfig("fbgemm")
    return torch.ao.quantization.prepare_qat(net)


def distributed():
    """Wrapped by DDP; the group of one process stays until the test ends."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return DistributedDataParallel(small_resnet())


REFUSED = {
    "compiled": (lambda: torch.compile(small_resnet(), backend="eager"), "insert first, then compile"),
    "compiled in place": (compiled_in_place, "insert first, then compile"),
    "compiled inside": (compiled_inside, r"\(layer1\).*then compile"),
    "parallel": (lambda: DataParallel(small_resnet()), "then wrap"),
    "distributed": (distributed, "then wrap"),
    "traced": (lambda: torch.jit.trace(nn.Conv2d(3, 3, 3), torch.zeros(1, 3, 8, 8)), "then script"),
    "scripted": (lambda: torch.jit.script(small_resnet()), "then script"),
    "lazy": (lazy, "run one batch"),
    "quantised": (quantised, "then quantise"),
    "prepared for quantisation": (prepared, "then quantise"),
}
ENTRIES = {
    "attach": lambda net: regard.attach(net, "se"),
    "attach with an example": lambda net: regard.attach(net, "se", example=torch.zeros(1, 3, 8, 8)),
    "select": regard.select,
    "attentions": regard.attentions,
    "a saved plan": lambda net: regard.surgery.plan_from_json(net, PLAN),
}
PLAN = {
    "mechanism": "se",
    "start": "identity",
    "seed": 0,
    "sites": [{"path": "", "channels": 3, "dims": 2, "axis": 1}],
}


@pytest.fixture(params=REFUSED)
def refused(request):
    """A network that is refused, and the words of its error."""
    make, words = REFUSED[request.param]
    yield make(), words
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_refusal_names_the_remedy_and_changes_nothing(refused):
    net, words = refused
    flags = [module.training for module in net.modules()]
    for module in list(net.modules())[1::2]:
        module.train(not module.training)
    before, chance = anatomy(net), torch.get_rng_state()
    for name, enter in ENTRIES.items():
        with pytest.raises(SurgeryError, match=words):
            enter(net)
        assert same_anatomy(before, anatomy(net)), name
    assert torch.equal(torch.get_rng_state(), chance)
    assert [module.training for module in net.modules()] != flags or len(flags) == 1


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
