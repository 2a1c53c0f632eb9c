import pytest
import torch
from torch.nn import functional

from regard.testing import check_attention
from regard.testing.checks import capture
from tests.testing.gates import Gate, failures

CAPTURING = ("shapes", "dtypes", "compile", "export", "onnx")
"""Other checks that a fault of a graph may fail."""


@torch.library.custom_op("regard_tests::turn", mutates_args=())
def turn(x: torch.Tensor) -> torch.Tensor:
    """x, with its last two axes exchanged in memory."""
    return x.transpose(-1, -2).contiguous().transpose(-1, -2)


@turn.register_fake
def _(x):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


turn.register_autograd(lambda context, gradient: gradient)


class LiesAboutItsStrides(Gate):
    """An operator whose description for compilers is wrong."""

    def gate(self, x):
        return super().gate(turn(x))


class BreaksTheGraph(Gate):
    """A step that the compiler may not look into."""

    @torch.compiler.disable
    def gate(self, x):
        return super().gate(x)


class AsksForAValue(Gate):
    """A branch on a number that only the run knows."""

    def gate(self, x):
        return super().gate(x) if x.sum() < 1e9 else super().gate(x / 2)


class FreezesItsSize(Gate):
    """Python integers of the sizes at which it was traced."""

    def gate(self, x):
        return super().gate(x) * torch.linspace(0.5, 1, int(x.shape[3]), dtype=x.dtype)


class AdaptivePooling(Gate):
    """Pooling to 2 x 2, whose windows ONNX keeps from the size of the export."""

    def gate(self, x):
        return torch.sigmoid(self.score(functional.adaptive_avg_pool2d(x, 2).amax((2, 3))))[:, :, None, None]


class NotInOnnx(Gate):
    """An operator that ONNX does not have."""

    def gate(self, x):
        return torch.sigmoid(torch.special.i0e(self.score(x.mean((2, 3)))))[:, :, None, None]


class WrongInOnnx(Gate):
    """Computes something else where it is exported."""

    def gate(self, x):
        return super().gate(x) * (0.9 if torch.onnx.is_in_onnx_export() else 1.0)


class WrongWhenCompiled(Gate):
    """Computes something else where it is compiled."""

    def gate(self, x):
        return super().gate(x) * (0.9 if torch.compiler.is_dynamo_compiling() else 1.0)


class RoundsOtherwise(Gate):
    """Loses digits, and where it is compiled others, as code does that computes in another order."""

    when_compiled = 2.0**14

    def gate(self, x):
        offset = self.when_compiled if torch.compiler.is_dynamo_compiling() else 2.0**13
        return super().gate((x + offset) - offset)


class RoundsMuchMore(RoundsOtherwise):
    """Loses so many more digits that it is another computation."""

    when_compiled = 2.0**21


@pytest.mark.graph
def test_a_graph_break_fails_compile():
    found = failures(BreaksTheGraph, CAPTURING)
    assert found.keys() == {"compile"}
    assert "compiled with aot_eager in training: x (8, 16, 6, 8) raised" in found["compile"]


@pytest.mark.graph
def test_a_branch_on_a_value_fails_capture():
    assert failures(AsksForAValue, CAPTURING).keys() == {"compile", "export", "onnx"}


@pytest.mark.graph
def test_another_result_when_compiled_fails_compile():
    found = failures(WrongWhenCompiled, CAPTURING)
    assert found.keys() == {"compile"}
    assert "a value of y is" in found["compile"]


@pytest.mark.graph
def test_digits_lost_in_eager_may_be_lost_compiled():
    assert not failures(RoundsOtherwise, ("compile",))


@pytest.mark.graph
def test_many_more_lost_digits_fail_compile():
    assert failures(RoundsMuchMore, ("compile",)).keys() == {"compile"}


@pytest.mark.graph
def test_a_size_as_an_integer_fails_export():
    found = failures(FreezesItsSize, CAPTURING)
    assert found.keys() == {"export", "onnx"}
    assert "torch.export with dynamic batch and size, from x (2, 16, 6, 8) raised" in found["export"]


@pytest.mark.graph
def test_adaptive_pooling_fails_onnx_at_another_size():
    found = failures(AdaptivePooling, ("shapes", "compile", "export", "onnx"))
    assert found.keys() == {"onnx"}
    assert "a value of y of the ONNX graph for x (3, 16, 5, 9) is" in found["onnx"]


@pytest.mark.graph
def test_an_operator_that_onnx_has_not_fails_onnx():
    found = failures(NotInOnnx, ("shapes", "export", "onnx"))
    assert found.keys() == {"onnx"}
    assert "torch.onnx.export with dynamic batch and size" in found["onnx"]
    assert "bessel_i0e" in found["onnx"]


@pytest.mark.graph
def test_another_result_in_onnxruntime_fails_onnx():
    found = failures(WrongInOnnx, CAPTURING)
    assert found.keys() == {"onnx"}
    assert "a value of y of the ONNX graph for x (2, 16, 6, 8) is" in found["onnx"]


def test_onnx_is_skipped_where_not_installed(monkeypatch):
    monkeypatch.setattr(capture, "NEEDED", ("onnx", "a_package_nobody_has"))
    outcome = check_attention(Gate, checks=("onnx",))["onnx"]
    assert outcome.status == "skipped"
    assert outcome.sentence == "a_package_nobody_has is not installed: pip install 'regard[onnx]'."


@pytest.mark.graph
@pytest.mark.graph
def test_a_wrong_description_of_strides_fails_inductor_only():
    found = failures(LiesAboutItsStrides, ("compile", "compile_inductor"))
    assert found.keys() == {"compile_inductor"}
