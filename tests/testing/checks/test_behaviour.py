import torch
from torch import nn
from torch.nn import functional

from regard.testing import check_attention
from regard.testing.checks.behaviour import VARYING_ON_CUDA
from tests.testing.gates import Gate, failures


class OverTheBatch(Gate):
    """A softmax over the wrong axis."""

    def gate(self, x):
        return self.score(x.mean((2, 3))).softmax(0)[:, :, None, None]


class DropsInEvaluation(Gate):
    """Dropout that forgets to ask whether the module is in training."""

    def gate(self, x):
        return functional.dropout(super().gate(x), training=True)


class CountsItsCalls(Gate):
    """Every call in training is a little different."""

    calls = 0

    def gate(self, x):
        CountsItsCalls.calls += self.training
        return super().gate(x) * (1 - 1e-3 * (CountsItsCalls.calls % 7))


class AdaptiveMaximum(Gate):
    """The gradient of an adaptive maximum is summed in any order on CUDA."""

    def gate(self, x):
        return torch.sigmoid(self.score(functional.adaptive_max_pool2d(x, 1).flatten(1)))[:, :, None, None]


class UnusedLayer(Gate):
    """A layer that an option would need, built always."""

    def __init__(self, channels):
        super().__init__(channels)
        self.spare = nn.Linear(channels, channels)


class Unpools(Gate):
    """PyTorch has no deterministic way to put maxima back, and says so only when it is asked."""

    def gate(self, x):
        peaks, indices = functional.max_pool2d(x, 2, return_indices=True)
        return torch.sigmoid(functional.max_unpool2d(peaks, indices, 2, output_size=x.shape[2:]))


def test_a_softmax_over_the_batch_fails_batch_independence():
    found = failures(OverTheBatch)
    assert found.keys() == {"batch_independence"}
    assert "beside two other images in the batch" in found["batch_independence"]


def test_dropout_in_evaluation_fails_determinism():
    found = failures(DropsInEvaluation, checks=("determinism",))
    assert "y of the second pass in evaluation" in found["determinism"]


def test_training_that_does_not_repeat_fails_determinism():
    found = failures(CountsItsCalls, checks=("shapes", "determinism", "state_dict"))
    assert found.keys() == {"determinism"}
    assert "y of the second run in training under one seed" in found["determinism"]


def test_an_operator_that_varies_on_cuda_fails_determinism():
    found = failures(AdaptiveMaximum)
    assert found.keys() == {"determinism"}
    assert "adaptive_max_pool2d_backward gives other results" in found["determinism"]
    assert "take amax" in found["determinism"]


def test_an_operator_that_pytorch_warns_of_fails_determinism():
    sentence = failures(Unpools, checks=("determinism",))["determinism"]
    assert sentence.startswith("max_unpooling2d_forward_out does not have a deterministic implementation")
    assert "name it in facts.nondeterministic" in sentence
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_operators_that_vary_on_cuda_exist():
    assert not [name for name in VARYING_ON_CUDA if not hasattr(torch.ops.aten, name)]


def test_a_layer_that_is_never_used_fails():
    found = failures(UnusedLayer)
    assert found.keys() == {"unused_parameters"}
    assert "spare.weight, spare.bias got no gradient" in found["unused_parameters"]


def test_frozen_parameters_need_no_gradient():
    module = UnusedLayer(4)
    module.spare.requires_grad_(False)
    assert check_attention(module, channels=4, checks=("unused_parameters",)).passed
    assert (
        check_attention(nn.ReLU(), channels=4, checks=("unused_parameters",))["unused_parameters"].status == "skipped"
    )
