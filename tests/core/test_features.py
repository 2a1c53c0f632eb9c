from typing import ClassVar

import pytest
import torch
from torch import nn

from regard.core import Facts, Features, OptionError, Paper, ShapeError


class Halved(Features):
    """A gate of 1/2 everywhere."""

    facts: ClassVar[Facts] = Facts(
        name="halved",
        family="channel",
        paper=Paper(title="Halves", authors="A B", year=2020, venue="V", identifier="arXiv:2000.00000"),
        dims=(1, 2),
    )

    def forward(self, x):
        self.expect(x)
        return x * self.temper(torch.full_like(x[:, :, :1], 0.5))


def test_it_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Features(8)


def test_strength_exists_only_with_an_identity_start():
    assert dict(Halved(4).named_parameters()) == {}
    assert Halved(4).strength is None
    parameters = dict(Halved(4, start="identity").named_parameters())
    assert list(parameters) == ["strength"]
    assert parameters["strength"].shape == ()
    assert parameters["strength"].item() == 0
    assert Halved(4).state_dict() == {}


@pytest.mark.parametrize("neutral", [1.0, 0.5, 0.0])
def test_temper_goes_from_neutral_to_the_map(neutral):
    module, values = Halved(4, start="identity"), torch.rand(2, 4, 1)
    assert torch.equal(module.temper(values, neutral), torch.full_like(values, neutral))
    nn.init.constant_(module.strength, 0.25)
    torch.testing.assert_close(module.temper(values, neutral), 0.75 * neutral + 0.25 * values)
    assert Halved(4).temper(values, neutral) is values


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_blend_goes_from_x_to_y(dtype):
    module, x, y = Halved(4, start="identity").to(dtype), torch.randn(2, 4, 5).to(dtype), torch.randn(2, 4, 5).to(dtype)
    assert torch.equal(module.blend(x, y), x)
    nn.init.constant_(module.strength, 0.25)
    blended = module.blend(x, y)
    assert blended.dtype == dtype
    torch.testing.assert_close(blended, 0.75 * x + 0.25 * y)
    assert torch.equal(Halved(4).blend(x, y.float()), y)


def test_blend_does_not_overflow_where_the_difference_would():
    module = Halved(1, start="identity").half()
    x, y = torch.tensor([[[-60000.0]]]).half(), torch.tensor([[[60000.0]]]).half()
    assert torch.isinf(y - x).all()
    assert torch.equal(module.blend(x, y), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_add_goes_from_x_to_the_sum(dtype):
    module, x, h = Halved(4, start="identity").to(dtype), torch.randn(2, 4, 5).to(dtype), torch.randn(2, 4, 1).to(dtype)
    assert torch.equal(module.add(x, h), x)
    nn.init.constant_(module.strength, 0.25)
    assert module.add(x, h).dtype == dtype
    torch.testing.assert_close(module.add(x, h), x + h / 4)
    assert torch.equal(Halved(4).add(x, h), x + h)


@pytest.mark.parametrize("wrong", [torch.inf, -torch.inf, torch.nan])
def test_overflow_is_dropped_only_at_strength_zero(wrong):
    module, x = Halved(2, start="identity"), torch.randn(1, 2, 1)
    h = torch.tensor([[[wrong], [1.0]]])
    for form in (lambda: module.add(x, h), lambda: module.blend(x, x + h)):
        assert torch.equal(form(), x)
    assert torch.equal(module.temper(h), torch.ones_like(h))
    nn.init.constant_(module.strength, 0.5)
    for form in (lambda: module.add(x, h), lambda: module.blend(x, x + h), lambda: module.temper(h)):
        assert not form()[0, 0].isfinite()


def test_the_strength_gets_its_gradient():
    module, x, h = Halved(2, start="identity"), torch.randn(3, 2, 4), torch.randn(3, 2, 4)
    module.add(x, h).sum().backward()
    torch.testing.assert_close(module.strength.grad, h.sum())


def test_blend_gives_the_strides_of_x():
    x, y = torch.randn(2, 4, 3, 5).to(memory_format=torch.channels_last), torch.randn(2, 4, 3, 5)
    assert Halved(4).blend(x, y).stride() == x.stride()
    assert torch.equal(Halved(4).blend(x, y), y)
    alike = x.clone()
    assert Halved(4).blend(x, alike) is alike
    single = torch.randn(1, 1, 3, 5)
    assert Halved(1).blend(single.to(memory_format=torch.channels_last), single) is single
    strided = torch.randn(2, 4, 2, 3)
    assert Halved(4).blend(x, strided) is strided


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(2, 4, 3, dtype=torch.int64), r"halved: x has dtype torch.int64; features must be floating point"),
        (torch.zeros(2, 4), r"halved: x has shape \(2, 4\); it must be .* with 1 or 2 position axes"),
        (torch.zeros(2, 4, 3, 3, 3), "with 1 or 2 position axes"),
        (torch.zeros(2, 5, 3), r"so 5 channels, but the module was built for 4: build it with channels=5"),
        (torch.zeros(2, 4, 3, 0), r"shape \(2, 4, 3, 0\), so no positions; every size must be at least 1"),
    ],
)
def test_wrong_features_are_said(x, says):
    with pytest.raises(ShapeError, match=says):
        Halved(4)(x)


def test_axes_may_be_narrowed_by_an_option():
    module = Halved(4)
    module.expect(torch.zeros(2, 4, 3, 3), (2,))
    with pytest.raises(ShapeError, match="with 1 position axis after"):
        module.expect(torch.zeros(2, 4, 3, 3), (1,))


def test_wrong_options_are_said():
    with pytest.raises(OptionError, match="halved: start='zero' is not allowed; choose one of 'paper', 'identity'"):
        Halved(4, start="zero")
    with pytest.raises(OptionError, match="halved: channels=0 is not allowed"):
        Halved(0)
    with pytest.raises(TypeError):
        Halved(4, strat="paper")


def test_example_inputs_fit():
    (x,) = Halved(6).example_inputs(channels=6, size=(7,), batch=3)
    assert x.shape == (3, 6, 7)
    assert Halved(6)(x).shape == x.shape
