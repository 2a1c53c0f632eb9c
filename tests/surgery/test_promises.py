"""The promises of surgery over networks of torchvision and timm."""

import copy
import io
import pickle
import statistics
import time

import pytest
import timm
import torch
from torch import nn
from torchvision import models

import regard
from benchmarks.surgery.__main__ import awaken, sizes_of_timm, smallest
from benchmarks.surgery.__main__ import examine as sweep
from benchmarks.surgery.written import pair, ratios
from tests.surgery.in_two_processes import own_images, small_net, train_in_parallel
from tests.surgery.networks import anatomy, copied, images, same_anatomy, small_resnet, strengthen

CLASSIFIERS = ("resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "regnet_y_400mf")
"""torchvision's for `make test`; the other convolutional ones are `long`."""

OTHERS = (
    *(
        "alexnet",
        "convnext_tiny",
        "densenet121",
        "efficientnet_b0",
        "efficientnet_v2_s",
        "googlenet",
        "inception_v3",
        "mnasnet0_5",
    ),
    *("mobilenet_v2", "mobilenet_v3_large", "regnet_x_400mf", "resnet34", "resnet50", "resnext50_32x4d", "swin_t"),
    *("vgg11", "vgg11_bn", "vit_b_32", "wide_resnet50_2", "resnet101", "maxvit_t"),
)

SITES = {"resnet18": 8, "resnet50": 16, "resnext50_32x4d": 16, "mobilenet_v2": 10, "convnext_tiny": 18, "vit_b_32": 24}
"""True residual sites, counted by hand in the papers' tables."""


def build(name):
    """torchvision's classifier with random weights, and images of it."""
    torch.manual_seed(0)
    single = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    size = {"vit_b_32": 224, "inception_v3": 160, "maxvit_t": 224}.get(name, 96)
    net = awaken(models.get_model(name, weights=None, num_classes=10, **single))
    return net.eval(), images(size, batch=1)


def examine(net, x, mechanism="se"):
    """All promises that need no compiler, on one network."""
    keys, names = list(net.state_dict()), [name for name, _ in net.named_parameters()]
    state = copy.deepcopy(net.state_dict())
    with torch.no_grad():
        before, whole = net(x), anatomy(net)
        plan = regard.select(net, x).at("auto").insert(mechanism)
        assert same_anatomy(whole, anatomy(net)), "a plan changes nothing"
        handle = plan.apply()
        assert torch.equal(net(x), before), "start=identity is bit-identical"
        assert [key for key in net.state_dict() if key in set(keys)] == keys
        assert [name for name, _ in net.named_parameters() if name in set(names)] == names
        strengthen(net)
        after = net(x)
        assert not torch.equal(after, before)
        for again in (copied(net), pickle.loads(pickle.dumps(net))):
            assert torch.equal(again(x), after)
            strengthen(again, 0.0)
            assert torch.equal(again(x), before), "a copy's attention is its own"
        assert torch.equal(net(x), after)
        handle.revert()
        assert torch.equal(net(x), before)
    assert same_anatomy(whole, anatomy(net)), "a revert leaves nothing"
    with plan.applied():
        assert net.load_state_dict(state) == ([], []), "checkpoints from before still load"
    assert net.load_state_dict(state) == ([], [])
    return plan


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_of_torchvision(name):
    plan = examine(*build(name))
    assert len(plan.rows) == SITES.get(name, len(plan.rows))


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
def test_all_classifiers_of_torchvision(name):
    plan = examine(*build(name))
    assert len(plan.rows) == SITES.get(name, len(plan.rows))


def smallest_of_timm():
    """The smallest network with convolutions of every module of timm, as the sweep of the benchmark orders them."""
    return smallest(sizes_of_timm())


@pytest.mark.parametrize("name", ["resnet10t", "lcnet_035", "test_byobnet", "test_efficientnet"])
def test_networks_of_timm(name):
    torch.manual_seed(0)
    examine(awaken(timm.create_model(name, num_classes=10)).eval(), images(96, batch=1))


@pytest.mark.long
def test_the_smallest_network_of_every_module_of_timm():
    rows = [sweep(f"timm:{name}") for name in smallest_of_timm()]
    assert len(rows) > 40
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert not failed


@pytest.mark.parametrize("kind", ["segmentation", "detection", "video"])
def test_networks_of_other_tasks(kind):
    torch.manual_seed(0)
    if kind == "segmentation":
        net, x = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None), images(96, 1)
    elif kind == "video":
        net, x = models.video.r3d_18(weights=None, num_classes=4), torch.randn(1, 3, 4, 32, 32)
    else:
        net = models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
        x = ([torch.rand(3, 96, 96)],)
    net.eval()
    plan = regard.select(net, x).at("residual").insert("se")
    keys = list(net.state_dict())
    with torch.no_grad():
        before = leaves(net, x)
        with plan.applied():
            assert equal(leaves(net, x), before)
            strengthen(net)
            assert not equal(leaves(net, x), before)
        assert equal(leaves(net, x), before)
    assert list(net.state_dict()) == keys
    assert len(plan.rows) >= {"segmentation": 10, "detection": 10, "video": 8}[kind]


def leaves(net, x):
    # Boxes of random weights hide small changes of the features.
    result = net.backbone(x[0][0][None]) if isinstance(x, tuple) else net(x)
    return torch.utils._pytree.tree_leaves(result)


def equal(first, second):
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture
def edited():
    """A small network whose attention has an effect, and images."""
    net, x = small_resnet(), images()
    regard.attach(net, "se", at="residual", example=x)
    strengthen(net)
    return net, x


@pytest.mark.graph
def test_the_edited_network_compiles_as_a_whole(edited):
    net, x = edited
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.graph
def test_the_edited_network_exports(edited):
    net, x = edited
    program = torch.export.export(net, (x,))
    torch.testing.assert_close(program.module()(x), net(x))
    assert "layer1.0.bn2.attention.strength" in program.state_dict


@pytest.mark.graph
def test_features_are_extracted_by_fx(edited):
    from torchvision.models.feature_extraction import create_feature_extractor

    net, x = edited
    extractor = create_feature_extractor(net, {"fc": "fc"})
    assert torch.equal(extractor(x)["fc"], net(x))


@pytest.mark.graph
def test_inductor_agrees_with_eager():
    net, _ = small_net()
    net.eval()
    compiled, x = torch.compile(net, fullgraph=True, backend="inductor"), own_images(0)
    with torch.no_grad():
        after = net(x)
        torch.testing.assert_close(compiled(x), after)
        strengthen(net, 0.0)
        assert not torch.allclose(net(x), after), "the attention had an effect"
        torch.testing.assert_close(compiled(x), net(x))


def test_synchronised_normalisation_keeps_it_and_reverts():
    net, x = small_resnet(), images()
    before = net(x)
    handle = regard.attach(net, "se", at="residual", example=x)
    strengthen(net)
    after = net(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net).eval()
    assert torch.equal(converted(x), after)
    assert len(handle.modules) == 4
    own = {id(p) for p in handle.parameters()}
    assert len(own) == len(list(handle.parameters())) > 0
    assert own <= {id(p) for p in converted.parameters()}
    converted.train()
    # The backward pass of a synchronised normalisation needs a GPU; its attention is reached without.
    features = torch.randn(2, 64, 4, 4)
    converted.layer1[0].bn2.attention(features).square().sum().backward()
    assert all(p.grad is not None for p in handle.modules["layer1.0.bn2"].parameters())
    converted.eval()
    handle.revert()
    assert torch.equal(converted(x), before)
    assert type(converted.layer1[0].bn2) is nn.SyncBatchNorm


def test_it_trains_under_autocast(edited):
    net, x = edited
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net.train()(x).float().square().sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_it_trains_under_ddp(edited, tmp_path):
    import torch.distributed as dist

    net, x = edited
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        parallel = nn.parallel.DistributedDataParallel(net)
        parallel.train()(x).square().sum().backward()
        assert all(p.grad is not None for p in net.parameters())
        with pytest.raises(regard.core.SurgeryError, match="then wrap"):
            regard.attach(parallel, "se")
    finally:
        dist.destroy_process_group()


@pytest.mark.e2e
def test_two_processes_train_attention_together(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.multiprocessing.spawn(train_in_parallel, (str(tmp_path),), nprocs=2)
    (first, losses, state), (second, _, other) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert losses[-1] < losses[0]
    assert all(torch.equal(state[key], other[key]) for key in state), "the processes stay alike"
    net, _ = small_net()
    alone = []
    for rank in range(2):
        net.zero_grad()
        net.train()(own_images(rank)).square().mean().backward()
        alone.append({name: p.grad.clone() for name, p in net.named_parameters()})
    names = [name for name in first if ".attention." in name]
    assert names
    for name in names:
        assert torch.equal(first[name], second[name])
        assert not torch.equal(alone[0][name], alone[1][name])
        torch.testing.assert_close(first[name], (alone[0][name] + alone[1][name]) / 2)


def test_a_whole_saved_network_is_read_back(edited):
    net, x = edited
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x), net(x))


@pytest.mark.long
def test_selecting_on_resnet50_takes_under_3_seconds():
    net = models.resnet50(weights=None)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        regard.select(net)
        seconds.append(time.process_time() - start)
    assert statistics.median(seconds) < 3


@pytest.mark.long
def test_inserted_attention_costs_what_written_attention_costs():
    x = images(96, batch=4)
    inserted, written = pair("resnet18", x)
    assert statistics.median(ratios(inserted, written, x, 30, train=False)) < 1.05


@pytest.mark.long
@pytest.mark.parametrize("name", [m.facts.name for m in regard.CATALOGUE if m.facts.returns == "features"])
def test_every_mechanism_starts_as_the_identity(name):
    net, x = small_resnet(), images()
    with torch.no_grad():
        before = net(x)
        with regard.attach(net, name, at="residual", example=x) as handle:
            assert torch.equal(net(x), before)
            assert len(handle.modules) == 4
        assert torch.equal(net(x), before)
