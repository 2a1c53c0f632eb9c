import copy

import pytest
import torch

from regard.core import Tap
from regard.testing import check_attention
from tests.testing.gates import Gate, failures


class KeepsItsMap(Gate):
    """Remembers the last map with its gradient graph."""

    def gate(self, x):
        self.last = super().gate(x)
        return self.last


class CopiesAreHimself(Gate):
    """A shallow copy instead of a deep one."""

    def __deepcopy__(self, memo):
        twin = Gate.__new__(type(self))
        twin.__dict__ = {**self.__dict__, "_modules": dict(self._modules)}
        return twin


class SharesItsTap(Gate):
    """A copy that keeps the tap of the original."""

    def __init__(self, channels):
        super().__init__(channels)
        self.tap = Tap("gate")

    def gate(self, x):
        return self.tap(super().gate(x))

    def __deepcopy__(self, memo):
        twin = SharesItsTap(len(self.score.bias))
        twin.load_state_dict(self.state_dict())
        twin.tap = self.tap
        return twin


class HasALambda(Gate):
    """A function without a name cannot be pickled."""

    def __init__(self, channels):
        super().__init__(channels)
        self.squash = lambda logits: torch.sigmoid(logits)

    def gate(self, x):
        return self.squash(self.score(x.mean((2, 3))))[:, :, None, None]


class DrawsAConstant(Gate):
    """A drawn number that is in no state dict."""

    def __init__(self, channels):
        super().__init__(channels)
        self.temperature = 1 + float(torch.rand(()))

    def gate(self, x):
        return torch.sigmoid(self.score(x.mean((2, 3))) / self.temperature)[:, :, None, None]


def test_a_map_that_is_kept_fails_deepcopy():
    found = failures(KeepsItsMap)
    assert found.keys() == {"deepcopy"}
    assert "copy.deepcopy after a training step raised RuntimeError" in found["deepcopy"]


def test_a_copy_that_shares_its_parameters_fails_deepcopy():
    found = failures(CopiesAreHimself)
    assert found.keys() == {"deepcopy"}
    assert "shares the memory of the parameter score.weight" in found["deepcopy"]


def test_a_copy_that_shares_its_tap_fails_deepcopy():
    found = failures(SharesItsTap)
    assert found.keys() == {"deepcopy"}
    assert "A copy's tap shows its maps to the sink of the original" in found["deepcopy"]


def test_a_lambda_fails_pickle():
    found = failures(HasALambda)
    assert found.keys() == {"pickle"}
    assert "lambda" in found["pickle"]


def test_a_drawn_constant_fails_the_state_dict():
    found = failures(DrawsAConstant)
    assert found.keys() == {"state_dict"}
    assert "y after loading the state dict into another module is" in found["state_dict"]


def test_an_uncopyable_instance_fails_deepcopy_only():
    module = KeepsItsMap(4)
    module(torch.ones(1, 4, 2, 2))
    with pytest.raises(RuntimeError):
        copy.deepcopy(module)
    report = check_attention(module, channels=4, raise_on_failure=False)
    assert [outcome.name for outcome in report.failures] == ["deepcopy"]
    assert "pass its class" in report["shapes"].sentence
    assert len(report.skipped) == len(report.outcomes) - 1
