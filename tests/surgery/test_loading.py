"""Saved attention goes onto another copy of the network, or is refused and changes nothing."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models.resnet import BasicBlock, ResNet

import regard
from regard.core import CheckpointError, SurgeryError
from tests.surgery.networks import anatomy, images, same_anatomy, small_resnet, strengthen


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    net = small_resnet()
    handle = regard.attach(net, "cbam", at="residual", example=images(batch=1))
    strengthen(net)
    return handle.save(tmp_path_factory.mktemp("saved") / "cbam.safetensors"), net(images())


def test_weights_and_plan_go_onto_another_copy(saved):
    path, after = saved
    net = small_resnet().train()
    handle = regard.surgery.load(net, path)
    assert torch.equal(net.eval()(images()), after)
    handle.revert()
    assert not torch.equal(net(images()), after)


def test_another_network_is_refused(saved):
    net = ResNet(BasicBlock, [1, 1, 1, 1], width_per_group=64)
    del net.layer4[0].bn2
    before = anatomy(net)
    with pytest.raises(SurgeryError, match=r"no module layer4\.0\.bn2"):
        regard.surgery.load(net, saved[0])
    assert same_anatomy(before, anatomy(net))


def test_other_channels_are_refused(saved):
    net = small_resnet()
    net.layer2[0].bn2 = torch.nn.BatchNorm2d(96)
    before = anatomy(net)
    with pytest.raises(SurgeryError, match="returns 96 channels"):
        regard.surgery.load(net, saved[0])
    assert same_anatomy(before, anatomy(net))


def test_a_file_unlike_its_plan_is_refused(saved, tmp_path):
    tensors = load_file(saved[0])
    plan = regard.attach(small_resnet(), "cbam", at="residual", example=images(batch=1)).plan
    tensors.popitem()
    save_file(tensors, tmp_path / "less", metadata={"regard": json.dumps({"kind": "surgery", "plan": plan})})
    net = small_resnet()
    before = anatomy(net)
    with pytest.raises(CheckpointError, match="1 tensors do not go with the plan"):
        regard.surgery.load(net, tmp_path / "less")
    assert same_anatomy(before, anatomy(net))


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"text"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError):
        regard.surgery.load(small_resnet(), tmp_path / "file")


def test_a_record_that_is_no_plan_is_refused():
    with pytest.raises(CheckpointError, match="no plan"):
        regard.surgery.plan_from_json(small_resnet(), {"mechanism": "se"})
