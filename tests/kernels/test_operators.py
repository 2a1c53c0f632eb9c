import pytest
import torch

from regard.attention import create
from regard.kernels import operators
from regard.kernels.operators import (
    CHANNEL,
    NONE,
    POSITION,
    PRODUCT,
    SHIFT,
    SIGMOID,
    SIGMOID_OF_PRODUCT,
    SUM,
    can_serve,
    laid_out_as,
)
from tests.kernels.cases import DTYPES, EVERYTHING, Poisoned, draw, lay_out, needs_extension, run

B, C, P = SHAPE = (2, 9, 15)
NAMES = tuple(
    name
    for name in (schema.partition("(")[0] for schema in operators.SCHEMAS)
    if not name.startswith(("axis_", "branches_"))  # in the tests of `axes` and `branch_select`
)


def features(dtype, layout, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lay_out(torch.randn(SHAPE, generator=generator).view(B, C, 3, 5), dtype, layout)


def wide(x, *size):
    return torch.rand(size, dtype=torch.promote_types(x.dtype, torch.float32))


def at(x, axis):
    """The maxima of x over an axis, their places and how many there are, as the operators take them."""
    most = x.flatten(2).max(axis)
    return most.values.to(wide(x).dtype), most.indices.int(), torch.ones_like(most.indices, dtype=torch.int32)


def samples(name, x):
    """Arguments of the operator, for every way in which the kernels call it."""
    channel, position, g = wide(x, B, C), wide(x, B, P), torch.ones_like(x)
    most, index, ties = at(x, 2)
    top, top_index, top_ties = at(x, 1)
    nothing = (None,) * 4
    if name == "squeeze_peak":
        return [(x, True), (x, False)]
    if name.startswith("squeeze_"):
        return [(x,)]
    if name.startswith("planes"):
        few = x[:, :2].to(wide(x).dtype).contiguous()
        weight = torch.randn(1, 2, 3, 3, dtype=few.dtype)
        gradients = [(few[:, :1].contiguous(), few, weight, weight, *asked) for asked in ((True, True), (False, True))]
        return [(few, weight)] if name == "planes" else gradients
    if name == "across":
        return [(x, gate, maxima) for gate in (None, channel) for maxima in range(3)]
    weights = [(channel, None, CHANNEL), (None, position, POSITION), (channel, position, PRODUCT)]
    both = [(channel, position, SUM), (channel, position, SIGMOID), (channel, position, SIGMOID_OF_PRODUCT)]
    if name == "gate":
        return [(x, *given) for given in (*weights, *both, (channel, None, SHIFT))]
    if name == "gate_sums":
        peaks = (position, position, top, top_index, top_ties)
        return [
            (g, x, *weights[0], None, *nothing, True, False),
            (g, x, *weights[1], None, *nothing, False, True),
            (g, x, *weights[2], None, *nothing, False, True),
            (g, x, torch.ones_like(channel), position, PRODUCT, *peaks, True, False),
            *((g, x, *given, None, *nothing, True, True) for given in both),
        ]
    assert name == "gate_spread", f"{name}: an operator without samples"
    ones, tops = torch.ones_like(channel), (top, top_index, top_ties)
    return [
        (g, x, *weights[0], *nothing, channel, channel, channel, most, index, ties, *nothing),
        (g, x, *weights[1], *nothing, channel, None, *nothing, *nothing),
        (g, x, channel, position, SIGMOID, *nothing, channel, None, *nothing, *nothing),
        (None, x, None, None, NONE, *nothing, channel, None, channel, most, index, ties, *nothing),
        (g, x, *weights[2], position, ones, position, channel, channel, None, *nothing, *nothing),
        (g, x, ones, position, PRODUCT, position, ones, None, None, channel, None, *nothing, position, *tops),
    ]


@needs_extension
def test_the_instructions_are_named():
    assert operators.LEVEL in ("avx512", "avx2", "baseline")
    assert not operators.WHY_NOT


@needs_extension
@pytest.mark.parametrize(("dtype", "layout"), [(torch.float32, "rows"), (torch.bfloat16, "positions")])
@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_registered_as_it_behaves(name, dtype, layout):
    operator = getattr(torch.ops.regard, name).default
    for arguments in samples(name, features(dtype, layout)):
        torch.library.opcheck(operator, arguments)


@needs_extension
@pytest.mark.parametrize("layout", ["rows", "positions"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_result_is_written_whole(name, dtype, layout):
    with Poisoned():
        for arguments in samples(name, features(dtype, layout)):
            results = getattr(torch.ops.regard, name).default(*arguments)
            for result in results if isinstance(results, tuple) else (results,):
                assert not (result.isnan().any() if result.is_floating_point() else (result == 2**31 - 1).any())


@needs_extension
def test_what_is_served():
    x = torch.ones(2, 4, 6, 6)
    for dtype in DTYPES:
        assert can_serve(x.to(dtype))
    assert can_serve(torch.nn.Parameter(x))
    assert can_serve(x.to(memory_format=torch.channels_last))
    assert can_serve(x.flatten(2))
    assert can_serve(x.flatten(2).transpose(1, 2).contiguous().transpose(1, 2))


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(2, 4, 6, 6).half(),
        torch.ones(2, 4, 6, 6).int(),
        torch.ones(2, 4, 6, 6)[..., ::2],
        torch.ones(2, 4, 1, 1).expand(2, 4, 6, 6),
        torch.ones(2, 4),
        torch.ones(0, 4, 6, 6),
        torch.ones(2, 4, 6, 6, device="meta"),
        torch.ones(2, 4, 6, 6, requires_grad=True).as_subclass(type("Other", (torch.Tensor,), {})),
    ],
    ids=["half", "integer", "strided", "expanded", "no positions", "empty", "meta", "subclass"],
)
def test_the_oracle_serves_what_they_do_not(x):
    assert not can_serve(x)


def test_a_tensor_is_laid_out_as_another():
    x = features(torch.bfloat16, "positions")
    other = torch.randn(x.shape)
    laid_out = laid_out_as(x, other)
    assert (laid_out.stride(), laid_out.dtype) == (x.stride(), x.dtype)
    assert torch.equal(laid_out, other.bfloat16())
    assert laid_out_as(x, laid_out) is laid_out


@needs_extension
@pytest.mark.parametrize("compute", EVERYTHING.values(), ids=EVERYTHING)
def test_the_number_of_threads_hardly_matters(compute):
    before = torch.get_num_threads()
    for layout in ("rows", "positions"):
        inputs = draw((1, 24, 61, 59), torch.float64, layout)
        expected = run(compute, inputs)
        try:
            torch.set_num_threads(3)
            found = run(compute, inputs)
        finally:
            torch.set_num_threads(before)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def module_and_features(name):
    torch.manual_seed(0)
    module, x = create(name, channels=8).double().eval(), torch.randn(2, 8, 6, 5, dtype=torch.float64)
    return module, x, module(x).detach()


@pytest.mark.graph
@pytest.mark.parametrize("name", ["se", "cbam"])
def test_compilers_get_the_oracle(name):
    module, x, expected = module_and_features(name)
    torch._dynamo.reset()
    compiled, leaf = torch.compile(module, backend="aot_eager", fullgraph=True), x.clone().requires_grad_()
    y = compiled(leaf)
    torch.testing.assert_close(y.detach(), expected)
    y.square().sum().backward()
    eager = x.clone().requires_grad_()
    module(eager).square().sum().backward()
    torch.testing.assert_close(leaf.grad, eager.grad)


@pytest.mark.graph
@pytest.mark.parametrize("name", ["se", "cbam"])
def test_exports_get_the_oracle(name):
    module, x, expected = module_and_features(name)
    program = torch.export.export(module, (x,))
    torch.testing.assert_close(program.module()(x).detach(), expected)
    assert not any("regard" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("name", ["se", "cbam"])
def test_transforms_of_functions_get_the_oracle(name):
    module, x, expected = module_and_features(name)
    leaf = x.clone().requires_grad_()
    (true,) = torch.autograd.grad(module(leaf).square().sum(), leaf)
    torch.testing.assert_close(torch.func.grad(lambda x: module(x).square().sum())(x), true)
    each = torch.func.vmap(lambda image: module(image.unsqueeze(0)).squeeze(0))(x)
    torch.testing.assert_close(each.detach(), expected)
    direction = torch.randn_like(x)
    _, tangent = torch.func.jvp(module, (x,), (direction,))
    with torch.autograd.forward_ad.dual_level():
        dual = module(torch.autograd.forward_ad.make_dual(x, direction))
        by_hand = torch.autograd.forward_ad.unpack_dual(dual).tangent
    torch.testing.assert_close(by_hand, tangent)
    step = 1e-6 * direction
    torch.testing.assert_close(tangent, (module(x + step) - module(x - step)) / 2e-6, rtol=1e-4, atol=1e-6)
