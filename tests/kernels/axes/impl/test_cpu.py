"""Against the oracle in float64: the error is the greatest one over the largest value, in units of the dtype."""

import pytest
import torch

from regard.kernels import apply_axis_gates, operators, squeeze_axes, use

pytestmark = pytest.mark.skipif(operators.LEVEL is None, reason=f"no kernels for the CPU: {operators.WHY_NOT}")

DTYPES = (torch.float32, torch.bfloat16, torch.float64)
SHAPES = (
    (2, 3, 1, 1),
    (3, 16, 7, 7),  # rows shorter than a vector
    (2, 1, 5, 3),
    (1, 31, 13, 17),  # of two vectors
    (2, 40, 9, 16),
    (1, 18, 6, 61),  # of four
    (1, 5, 70, 131),  # of more, and sums of two levels
    (1, 1, 2, 1100),  # longer than a band
    (1, 257, 1, 9),
    (1, 33, 45, 1),
)


def draw(shape, dtype, layout, offset=0):
    b, c, h, w = shape
    wide = torch.promote_types(dtype, torch.float32)
    memory = torch.empty(offset + b * c * h * w, dtype=dtype)[offset:]
    x = memory.view(shape) if layout == "rows" else memory.view(b, h, w, c).permute(0, 3, 1, 2)
    return x.copy_(torch.randn(shape)), torch.randn(b, c, h, 1, dtype=wide), torch.randn(b, c, 1, w, dtype=wide)


def gate(x, rows, columns):
    return [apply_axis_gates(x, (rows, columns))]


def squeeze(x, rows, columns):
    return list(squeeze_axes(x))


def squeeze_and_gate(x, rows, columns):
    squeezed = squeeze_axes(x)
    of_rows, of_columns = squeezed
    gates = torch.sigmoid(of_rows.unsqueeze(3) + rows), torch.sigmoid(of_columns.unsqueeze(2) + columns)
    return [apply_axis_gates(squeezed, gates), squeezed.joined]


def squeeze_and_gate_otherwise(x, rows, columns):
    return [apply_axis_gates(squeeze_axes(x), (rows, columns))]


def gate_twice(x, rows, columns):
    squeezed = squeeze_axes(x)
    return [apply_axis_gates(squeezed, (rows, columns)), apply_axis_gates(squeezed, (columns.mT * rows, columns))]


COMPUTE = {f.__name__: f for f in (gate, squeeze, squeeze_and_gate, squeeze_and_gate_otherwise)}


def run(compute, inputs):
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    results = compute(*inputs)
    generator = torch.Generator().manual_seed(0)
    above = [torch.randn(r.shape, generator=generator).bfloat16().to(r.dtype) for r in results]  # exact in every dtype
    gradients = torch.autograd.grad(results, inputs, above, allow_unused=True, materialize_grads=True)
    return [*(result.detach() for result in results), *gradients]


def run_oracle(compute, inputs):
    with use("reference"):
        return run(compute, inputs)


def error(result, truth):
    unit = torch.finfo(result.dtype).eps * truth.abs().max()
    return ((result.double() - truth).abs().max() / unit).nan_to_num(0 if torch.equal(result.double(), truth) else 1e9)


def stack(draws):
    return [torch.stack(tensors) for tensors in zip(*draws, strict=True)]


@pytest.fixture
def _poisoned():
    """Memory that was not written holds NaN."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.usefixtures("_poisoned")
@pytest.mark.parametrize("layout", ["rows", "positions"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compute", COMPUTE.values(), ids=COMPUTE)
def test_the_oracle_agrees(compute, dtype, layout):
    for number, shape in enumerate(SHAPES):
        draws = [draw(shape, dtype, layout, (0, 1, 3, 7)[number % 4]) for _ in range(4 if shape[1] < 4 else 1)]
        found = [run(compute, inputs) for inputs in draws]
        plain = [run_oracle(compute, inputs) for inputs in draws]
        truth = [run_oracle(compute, [tensor.double() for tensor in inputs]) for inputs in draws]
        for place, tensors in enumerate(zip(*map(stack, (found, plain, truth)), strict=True)):
            result, oracle, true = tensors
            assert (result.shape, result.dtype) == (oracle.shape, oracle.dtype)
            allowed = 256 if dtype == torch.float64 else max(1.5 * error(oracle, true), 3)
            assert error(result, true) <= allowed, f"{shape}: tensor {place}"


@pytest.mark.parametrize("layout", ["rows", "positions"])
@pytest.mark.parametrize("compute", [squeeze_and_gate, gate])
def test_gradients(compute, layout):
    inputs = [tensor.requires_grad_() for tensor in draw((2, 3, 4, 5), torch.float64, layout)]
    assert torch.autograd.gradcheck(lambda *inputs: tuple(compute(*inputs)), inputs)


@pytest.mark.parametrize("layout", ["rows", "positions"])
def test_no_number_stays_none(layout):
    x, rows, columns = draw((2, 17, 7, 7), torch.float32, layout)
    x[0, 3, 2, 4], x[1, 5, 0, 0] = torch.nan, torch.inf
    for found, expected in zip(
        run(squeeze_and_gate, (x, rows, columns)), run_oracle(squeeze_and_gate, (x, rows, columns)), strict=True
    ):
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["rows", "positions"])
def test_results_have_the_strides_of_the_features(layout):
    x, rows, columns = (tensor.requires_grad_() for tensor in draw((2, 5, 3, 4), torch.bfloat16, layout))
    y = squeeze_and_gate(x, rows, columns)[0]
    assert (y.stride(), y.dtype) == (x.stride(), x.dtype)
    for result in (y.sum(), squeeze_axes(x).joined.sum()):
        (gradient,) = torch.autograd.grad(result, x)
        assert gradient.stride() == x.stride()


def test_two_gates_of_one_squeeze_have_own_gradients():
    inputs = draw((2, 3, 4, 4), torch.float64, "rows")
    for found, expected in zip(run(gate_twice, inputs), run_oracle(gate_twice, inputs), strict=True):
        torch.testing.assert_close(found, expected)


def test_second_derivatives_are_refused():
    x, rows, columns = (tensor.requires_grad_() for tensor in draw((2, 3, 4, 5), torch.float64, "rows"))
    (gradient,) = torch.autograd.grad(squeeze_and_gate(x, rows, columns)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("layout", ["rows", "positions"])
def test_the_number_of_threads_hardly_matters(layout):
    before, inputs = torch.get_num_threads(), draw((1, 72, 31, 29), torch.float64, layout)
    expected = run(squeeze_and_gate, inputs)
    try:
        torch.set_num_threads(3)
        found = run(squeeze_and_gate, inputs)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("layout", ["rows", "positions"])
def test_operators_are_registered_as_they_behave(layout):
    x = draw((2, 9, 3, 5), torch.float32, layout)[0]
    rows, columns, shares, ops = torch.rand(2, 3, 9), torch.rand(2, 5, 9), torch.rand(2, 8, 9), torch.ops.regard
    torch.library.opcheck(ops.axis_means.default, (x,))
    torch.library.opcheck(ops.axis_sums.default, (x, x, rows, columns))
    for given in (None, shares):
        torch.library.opcheck(ops.axis_gate.default, (x, rows, columns, given))
