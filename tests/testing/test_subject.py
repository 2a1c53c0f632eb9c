from dataclasses import replace

import pytest
import torch
from torch import nn

import regard
from regard.core import OptionError
from regard.testing.outcomes import CheckFailedError, CheckSkippedError
from regard.testing.subject import run, run_backward, strengths, subject_of, wake
from tests.testing.gates import Gate


class TwoInputs(nn.Module):
    """Rescales x by a second tensor."""

    def __init__(self, channels):
        super().__init__()
        self.score = nn.Linear(channels, channels)

    @staticmethod
    def example_inputs(channels, size, batch):
        return torch.randn(batch, channels, *size), torch.randn(batch, channels)

    def forward(self, x, query):
        return x * torch.sigmoid(self.score(query))[:, :, None, None]


def test_a_mechanism_is_held_to_its_facts():
    facts = regard.find("cbam").facts
    found = subject_of(regard.find("cbam"))
    assert (found.name, found.dims, found.keeps_shape, found.facts) == ("cbam", facts.dims, True, facts)
    assert found.channels == 16
    assert found.main_dims == 2


def test_a_plain_module_counts_as_an_image_gate():
    found = subject_of(Gate)
    assert (found.name, found.dims, found.keeps_shape, found.facts) == ("Gate", (2,), True, None)


def test_draws_are_equal_on_every_device():
    here = subject_of(Gate)
    there = replace(here, device=torch.device("meta"))
    assert {t.device.type for m in (there.module(), there.stir()) for t in (*m.parameters(), *there.inputs())} == {
        "meta"
    }
    again = there.on_the_cpu
    assert torch.equal(again.inputs()[0], here.inputs()[0])
    assert torch.equal(again.stir().score.weight, here.stir().score.weight)


def test_a_modules_draws_repeat_in_every_run():
    subject, before = subject_of(Gate), torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with subject.drawing("a", "draw"):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_instance_promises_the_axes_it_accepts():
    assert subject_of(regard.create("se", channels=8)).dims == (1, 2, 3)
    assert subject_of(regard.create("cbam", channels=8)).dims == (2,)
    assert subject_of(regard.create("cbam", channels=8, dims=3)).dims == (3,)
    assert subject_of(regard.create("cbam", channels=8, dims=3)).channels == 8


def test_modules_are_built_for_the_axes():
    found = subject_of(regard.find("cbam_spatial"))
    for dims in (1, 2, 3):
        assert found.module(dims=dims).dims == dims


def test_stirring_changes_every_value():
    found = subject_of(lambda channels: regard.create("cbam", channels=channels, start="identity"))
    before, after = dict(found.module().named_parameters()), dict(found.stir().named_parameters())
    for name, value in after.items():
        assert not torch.equal(value, before[name])
        assert value.eq(0.5).all() == name.endswith("strength")
    assert torch.equal(after["channel.reduce.weight"], found.stir().channel.reduce.weight)
    assert not torch.equal(after["channel.reduce.weight"], found.stir(draw=1).channel.reduce.weight)


def test_awake_modules_have_a_strength_of_one_half():
    module = regard.create("cbam", channels=8, start="identity")
    assert list(strengths(module)) == ["channel.strength", "spatial.strength"]
    assert [s.item() for s in strengths(wake(module)).values()] == [0.5, 0.5]
    assert not strengths(regard.create("cbam", channels=8))


def test_a_modules_own_inputs_are_used():
    found = subject_of(TwoInputs)
    assert [tuple(x.shape) for x in found.inputs((3, 5), batch=4, channels=7)] == [(4, 7, 3, 5), (4, 7)]
    assert torch.equal(found.inputs()[1], found.inputs()[1])
    assert not torch.equal(found.inputs()[1], found.inputs(draw=1)[1])


def test_inputs_may_be_given():
    found = subject_of(Gate, example_inputs=lambda channels, size, batch: torch.ones(batch, channels, *size))
    assert found.inputs()[0].eq(1).all()


def test_running_backward_gives_every_gradient_by_name():
    module = TwoInputs(4)
    x, query = module.example_inputs(4, (2, 2), 3)
    y, gradients = run_backward(module, (x, query))
    assert y.shape == x.shape
    assert gradients.keys() == {"x", "score.weight", "score.bias"}
    assert not x.requires_grad
    assert gradients["x"].shape == x.shape


def test_what_is_no_tensor_fails():
    with pytest.raises(CheckFailedError, match="The module returned tuple; y must be a tensor"):
        run(nn.LSTM(3, 3), (torch.zeros(1, 3),))


def test_checks_that_build_skip_an_instance():
    with pytest.raises(CheckSkippedError, match="class or a function"):
        _ = subject_of(Gate(16), channels=16).builds


@pytest.mark.parametrize("wrong", [3, "se", None, torch.zeros(2)])
def test_what_is_no_module_is_an_error(wrong):
    with pytest.raises(OptionError, match=r"is no attention module\. Pass an nn\.Module, its class, or a function"):
        subject_of(wrong)


def test_an_unbuildable_class_is_an_error():
    with pytest.raises(
        OptionError, match=r"Conv2d cannot be built from 16 channels .*lambda channels: Conv2d\(\.\.\.\)"
    ):
        subject_of(nn.Conv2d)


def test_an_instance_of_unknown_channels_is_an_error():
    with pytest.raises(OptionError, match="the number of channels of Gate is not known: pass channels="):
        subject_of(Gate(16))


def test_wrong_channels_are_an_error():
    with pytest.raises(OptionError, match=r"failed on its reference input of shape \(2, 8, 8, 8\).*pass channels="):
        subject_of(Gate(16), channels=8)


@pytest.mark.parametrize("dims", [(), (0,), (2, 4)])
def test_axes_that_nothing_has_are_an_error(dims):
    with pytest.raises(OptionError, match="must name some of 1, 2 and 3"):
        subject_of(Gate, dims=dims)


def test_lazy_parameters_are_an_error():
    with pytest.raises(OptionError, match="Sequential has parameters whose shapes its first input decides"):
        subject_of(lambda channels: nn.Sequential(nn.LazyConv2d(channels, 1)))


def test_a_functions_module_has_its_class_name():
    assert subject_of(lambda channels: Gate(channels)).name == "Gate"


def test_channels_must_be_a_number():
    with pytest.raises(OptionError, match="channels=0 is not allowed"):
        subject_of(Gate, channels=0)
