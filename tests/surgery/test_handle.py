"""Handles: optimizers that exist take the new parameters, files hold the new weights alone."""

import pytest
import torch
from safetensors import safe_open

import regard
from regard.core import OptionError, SurgeryError
from tests.surgery.networks import images, small_resnet


def inserted(net, mechanism="se"):
    return regard.attach(net, mechanism, at="residual", example=images(batch=1))


def test_an_optimizer_takes_the_new_parameters_once():
    net = small_resnet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.1)
    handle = inserted(net)
    handle.update(optimizer, lr=0.5)
    handle.update(optimizer)
    old, weights, scalars = optimizer.param_groups
    assert (old["lr"], weights["lr"], scalars["lr"]) == (0.02, 0.5, 0.5)
    assert (weights["weight_decay"], scalars["weight_decay"]) == (0.1, 0.0)
    assert len(scalars["params"]) == 4
    every = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert every == {id(p) for p in net.parameters()}


def test_a_wrong_setting_or_optimizer_is_refused():
    net = small_resnet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    handle = inserted(net)
    for name in ("learning_rate", "params"):
        with pytest.raises(OptionError, match=f"SGD has no setting '{name}'.*lr"):
            handle.update(optimizer, **{name: 1})
    with pytest.raises(SurgeryError, match="no optimizer"):
        handle.update("sgd")
    assert len(optimizer.param_groups) == 1


def test_a_step_trains_the_strength():
    net = small_resnet().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    handle = inserted(net)
    handle.update(optimizer)
    net(images()).square().sum().backward()
    optimizer.step()
    assert all(module.strength != 0 for module in handle.modules.values())


def test_only_the_new_parameters_are_given():
    net = small_resnet()
    old = {id(p) for p in net.parameters()}
    handle = inserted(net)
    new = {id(p) for p in handle.parameters()}
    assert new
    assert not new & old
    assert new | old == {id(p) for p in net.parameters()}


def test_a_file_holds_new_weights_and_plan(tmp_path):
    handle = inserted(small_resnet())
    path = handle.save(tmp_path / "se.safetensors")
    with safe_open(path, "pt") as file:
        assert set(file.keys()) == set(handle.state())
        assert '"layer1.0.bn2"' in file.metadata()["regard"]


def test_what_was_taken_out_cannot_be_used(tmp_path):
    net = small_resnet()
    handle = inserted(net)
    handle.revert()
    with pytest.raises(SurgeryError, match="apply the plan again"):
        handle.save(tmp_path / "se.safetensors")
    with pytest.raises(SurgeryError, match="apply the plan again"):
        handle.update(torch.optim.SGD(net.parameters(), lr=0.1))
    assert not list(tmp_path.iterdir())


def test_two_handles_revert_each_their_own():
    net, x = small_resnet(), images(batch=1)
    before = list(net.state_dict())
    first = regard.select(net, x).at("residual").matching("layer1*").insert("se").apply()
    second = regard.select(net, x).at("residual").matching("layer2*").insert("eca").apply()
    first.revert()
    assert list(second.modules) == ["layer2.0.bn2"]
    second.revert()
    assert list(net.state_dict()) == before
