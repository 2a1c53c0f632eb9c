"""Operations are called what a reader calls them."""

import pytest
import torch
from torch import nn

from tests.tracing.toys import words


@pytest.mark.parametrize(
    ("does", "text"),
    [
        (lambda m, x: x.mean((2, 3)), "mean over positions"),
        (lambda m, x: x.mean((-2, -1)), "mean over positions"),
        (lambda m, x: x.flatten(2).amax(2), "max over positions"),
        (lambda m, x: x.mean(1, keepdim=True), "mean over channels"),
        (lambda m, x: x.sum(3), "sum over w"),
        (lambda m, x: x.var((2, 3)), "variance over positions"),
        (lambda m, x: x.unflatten(1, (4, -1)).mean(1), "mean over 4"),
        (lambda m, x: torch.linalg.vector_norm(x, dim=(2, 3)), "length over positions"),
        (lambda m, x: torch.softmax(x.flatten(2), -1), "softmax over positions"),
        (lambda m, x: torch.softmax(x, 1), "softmax over channels"),
        (lambda m, x: torch.sigmoid(x), "sigmoid"),
        (lambda m, x: x**2, "square"),
        (lambda m, x: x**3, "power 3"),
        (lambda m, x: x * x, "square"),
        (lambda m, x: 1 + x, "+ 1"),
        (lambda m, x: 1 - x, "1 −"),
        (lambda m, x: x - 0.5, "− 0.5"),
        (lambda m, x: x.reciprocal(), "1 ÷"),
        (lambda m, x: torch.cat((x, x.relu()), 1), "concatenate"),
        (lambda m, x: x.flatten(2) @ x.flatten(2).mT, "matrix product"),
        (lambda m, x: x @ torch.eye(x.shape[3]), "fixed matrix"),
        (lambda m, x: x @ torch.ones(x.shape[3], 7), "resize"),
        (lambda m, x: nn.functional.max_pool2d(x, 3, 2, 1), "max of 3×3, stride 2"),
        (lambda m, x: nn.functional.avg_pool2d(x, 2, 1), "average of 2×2"),
        (lambda m, x: x.erfinv(), "erfinv"),
    ],
)
def test_an_operation_without_parameters(does, text):
    assert words(does).text == text


@pytest.mark.parametrize("does", [lambda m, x: 3 * x, lambda m, x: x / 2, lambda m, x: x + 1e-5])
def test_scaling_and_guarding_numbers_are_not_shown(does):
    assert words(does) is None


@pytest.mark.parametrize(
    ("does", "sign"),
    [
        (lambda m, x: x + x.relu(), "+"),
        (lambda m, x: x * x.relu(), "×"),
        (lambda m, x: x - x.relu(), "−"),
        (lambda m, x: x / x.exp(), "÷"),
    ],
)
def test_what_joins_two_is_a_sign(does, sign):
    made = words(does)
    assert (made.text, made.joins) == (sign, True)


@pytest.mark.parametrize(
    ("size", "options", "text"),
    [
        (3, {"padding": 1}, "3×3 convolution"),
        (1, {}, "1×1 convolution"),
        ((1, 7), {}, "1×7 convolution"),
        (3, {"dilation": 4, "stride": 2}, "3×3 convolution, dilation 4, stride 2"),
        (3, {"groups": 32}, "3×3 convolution, 32 groups"),
        (3, {"groups": "c"}, "depthwise 3×3 convolution"),
    ],
)
def test_a_convolution_is_called_by_its_kernel(size, options, text):
    def parts(c):
        return {"layer": nn.Conv2d(c, c, size, **{k: c if v == "c" else v for k, v in options.items()})}

    assert words(lambda m, x: m.layer(x), parts).text == text


def test_a_convolution_along_the_channels_says_so():
    made = words(lambda m, x: m.layer(x.mean((2, 3)).unsqueeze(1)), lambda c: {"layer": nn.Conv1d(1, 1, 5)})
    assert made.text == "convolution of 5 along channels"


def test_a_convolution_of_one_place_is_linear():
    assert words(lambda m, x: m.layer(x.flatten(2)), lambda c: {"layer": nn.Conv1d(c, 3, 1)}).text == "linear"


def test_dynamic_kernels_are_named():
    def convolve(m, x):
        return nn.functional.conv2d(x, x.mean((0, 2, 3)).reshape(1, -1, 1, 1))

    assert words(convolve).text == "1×1 convolution with these kernels"


def test_parameters_beside_features_scale_and_shift():
    def parts(c):
        return {"w": nn.Parameter(torch.ones(c, 1, 1))}

    assert words(lambda m, x: x * m.w, parts).text == "learned scale"
    assert words(lambda m, x: x + m.w, parts).text == "learned shift"
    assert words(lambda m, x: x * torch.ones(x.shape[3]), parts).text == "fixed scale"
    assert words(lambda m, x: x.flatten(2).mT @ m.w.flatten(1), parts).text == "linear"


def test_norms_and_activations_follow_their_layer():
    assert words(lambda m, x: m.norm(x), lambda c: {"norm": nn.BatchNorm2d(c)}).tail
    assert words(lambda m, x: x.relu()).tail
    assert not words(lambda m, x: x.mean(1)).tail
