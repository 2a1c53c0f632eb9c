"""A pass of a module gives what autograd gives, on a copy."""

import pytest
import torch
from torch import nn

from regard.core import OptionError
from regard.cost.module_pass import ModulePass


def test_gradients_are_those_of_autograd():
    module, x = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), torch.randn(2, 3, 5, 5)
    y, of_x, *of_parameters = ModulePass(module, [x], what="training", seed=3)()
    own = x.clone().requires_grad_()
    expected = module(own)
    expected.backward(torch.randn(expected.shape, generator=torch.Generator().manual_seed(3)))
    torch.testing.assert_close(y, expected.detach())
    torch.testing.assert_close(of_x, own.grad)
    for found, parameter in zip(of_parameters, module.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad)


@pytest.mark.parametrize("what", ["inference", "training"])
def test_the_module_stays_unchanged(what):
    module, x = nn.BatchNorm2d(3), torch.randn(2, 3, 5, 5)
    before = {name: values.clone() for name, values in module.state_dict().items()}
    run = ModulePass(module, [x], what=what)
    assert len(run()) == (1 if what == "inference" else 4)
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not x.requires_grad


def test_an_inference_is_one_in_evaluation():
    module, x = nn.Dropout(0.9), torch.ones(4, 4)
    assert torch.equal(ModulePass(module, [x], what="inference")()[0], x)


def test_the_gradient_has_the_strides_of_y():
    x = torch.randn(2, 3, 5, 4).to(memory_format=torch.channels_last)
    run = ModulePass(nn.Identity(), [x], what="training")
    y, of_x = run()
    assert of_x.is_contiguous(memory_format=torch.channels_last)
    assert y.stride() == run._gradient.stride()


def test_another_pass_is_refused():
    with pytest.raises(OptionError, match="what='learning'"):
        ModulePass(nn.Identity(), [torch.zeros(1)], what="learning")
