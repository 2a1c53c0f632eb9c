import gc
import weakref

import pytest
import torch

from regard.kernels import operators, select_branches, squeeze_branches, use
from regard.kernels.branch_select.impl.cpu import MOST, Link, axis_of, can_serve_all

pytestmark = pytest.mark.skipif(operators.LEVEL is None, reason=f"no kernels for the CPU: {operators.WHY_NOT}")

DTYPES = (torch.float32, torch.bfloat16, torch.float64)
LAYOUTS = ("rows", "positions")
WAYS = ("separate", "parts")
SHAPES = ((2, 3, 1, 1), (1, 31, 13, 17), (3, 16, 7, 7), (2, 1, 5, 3), (1, 65, 19), (2, 5, 2, 3, 3), (1, 9, 67, 63))
COUNTS = (2, 1, 3)

by_layout = pytest.mark.parametrize("layout", LAYOUTS)
by_way = pytest.mark.parametrize("way", WAYS)


def lay_out(values, dtype, layout, offset=0):
    """The values in a dtype, contiguous or channels last, `offset` values behind the start of their storage."""
    memory = torch.empty(offset + values.numel(), dtype=dtype)[offset:]
    b, c, *positions = values.shape
    x = memory.view(b, c, *positions) if layout == "rows" else memory.view(b, *positions, c).movedim(-1, 1)
    return x.copy_(values)


def draw(shape, count, dtype, layout, way, offset=0):
    """Branches as they are given, and their logits by channel and by position."""
    b, c, *positions = shape
    wide = torch.promote_types(dtype, torch.float32)
    sizes = [(b, count * c, *positions)] if way == "parts" else [shape] * count
    given = tuple(lay_out(torch.randn(size), dtype, layout, offset) for size in sizes)
    logits = torch.randn(b, count, c, *(1,) * len(positions), dtype=wide)
    return given, logits, torch.randn(b, count, 1, *positions, dtype=wide)


def choose(given, logits, by_position):
    """The branches, mixed by shares that their own mean had a part in; and the mean."""
    count = logits.shape[1]
    squeezed = squeeze_branches(given) if len(given) == count else squeeze_branches(given[0], count)
    y = select_branches(squeezed, (logits + squeezed.mean.view(logits[:, :1].shape)).softmax(1))
    z = select_branches(given if len(given) == count else given[0], by_position)
    return y, z, squeezed.mean


def run(given, logits, by_position, compute=choose):
    """The results, and the gradients of everything."""
    inputs = [tensor.detach().requires_grad_() for tensor in (*given, logits, by_position)]
    results = compute(tuple(inputs[:-2]), *inputs[-2:])
    generator = torch.Generator().manual_seed(1)
    above = [torch.randn(r.shape, generator=generator).bfloat16().to(r.dtype) for r in results]
    return [*(result.detach() for result in results), *torch.autograd.grad(results, inputs, above)]


def error(found, truth):
    """In units of the dtype over the largest value; infinite for what is no number."""
    difference = (found.double() - truth).abs().max().item()
    unit = torch.finfo(found.dtype).eps * truth.abs().max().item()
    return 0.0 if difference == 0 else difference / unit if difference == difference else float("inf")


class Poisoned:
    """A block in which memory that was not written holds NaN."""

    def __enter__(self):
        self.before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True)

    def __exit__(self, *exception):
        torch.use_deterministic_algorithms(self.before)


def as_double(given, *others):
    return tuple(tensor.double() for tensor in given), *(tensor.double() for tensor in others)


def assert_as_good(shape, count, dtype, layout, way, offset=0):
    inputs = draw(shape, count, dtype, layout, way, offset)
    with Poisoned():
        results = run(*inputs)
    with use("reference"):
        oracles, truths = run(*inputs), run(*as_double(*inputs))
    for number, (found, plain, true) in enumerate(zip(results, oracles, truths, strict=True)):
        assert (found.shape, found.dtype) == (plain.shape, plain.dtype)
        allowed = 256 if dtype == torch.float64 else max(1.5 * error(plain, true), 4)
        where = f"{shape} x {count}, {layout}, tensor {number}"
        assert error(found, true) <= allowed, f"{where}: {error(found, true):.3g} > {allowed:.3g}"


@by_way
@by_layout
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_as_good_as_the_oracle(dtype, layout, way):
    for number, shape in enumerate(SHAPES):
        assert_as_good(shape, COUNTS[number % 3], dtype, layout, way, (0, 1, 3, 7)[number % 4])


@by_way
@by_layout
def test_large_results_go_past_the_caches(layout, way):
    assert_as_good((2, 64, 91, 93), 2, torch.float32, layout, way, 3)


@by_way
@by_layout
def test_every_gradient_is_that_of_small_differences(layout, way):
    given, *others = draw((2, 3, 2, 3), 2, torch.float64, layout, way)
    inputs = [tensor.requires_grad_() for tensor in (*given, *others)]
    assert torch.autograd.gradcheck(lambda *inputs: choose(inputs[:-2], *inputs[-2:]), inputs)


@by_way
@by_layout
def test_no_gradient_is_added_or_copied(layout, way):
    given, logits, _ = draw((2, 16, 7, 5), 2, torch.float32, layout, way)
    given = tuple(tensor.requires_grad_() for tensor in given)
    squeezed = squeeze_branches(given) if way == "separate" else squeeze_branches(given[0], 2)
    y = select_branches(squeezed, (logits + squeezed.mean.view(2, 1, 16, 1, 1)).softmax(1))
    with torch.profiler.profile(record_shapes=True) as profile:
        y.backward(torch.ones_like(y))
    names = {event.name for event in profile.events() if any(size[2:] == [7, 5] for size in event.input_shapes)}
    assert "regard::branches_spread" in names
    assert not names & {"aten::add", "aten::add_", "aten::copy_", "aten::clone", "aten::mul"}
    for tensor in given:
        assert tensor.grad.stride() == tensor.stride()


@by_way
def test_a_second_selection_gets_its_own_gradient(way):
    given, *others = draw((2, 3, 4, 5), 2, torch.float64, "rows", way)

    def twice(given, logits, by_position):
        squeezed = squeeze_branches(given) if way == "separate" else squeeze_branches(given[0], 2)
        return [select_branches(squeezed, weights) for weights in (by_position, logits, logits.exp())] + [squeezed.mean]

    found = run(given, *others, compute=twice)
    with use("reference"):
        expected = run(given, *others, compute=twice)
    torch.testing.assert_close(found, expected)


@by_way
@pytest.mark.parametrize("asked", ["mean", "selected", "neither"])
def test_some_results_may_lack_a_gradient(way, asked):
    def part(given, logits, by_position):
        squeezed = squeeze_branches(given) if way == "separate" else squeeze_branches(given[0], 2)
        y = select_branches(squeezed, logits)
        by_itself = sum(tensor.sum() for tensor in (*given, logits, by_position)).view(1)
        return [{"mean": squeezed.mean, "selected": y, "neither": y.detach()}[asked] * by_itself]

    given, *others = draw((2, 3, 4, 5), 2, torch.float64, "positions", way)
    found = run(given, *others, compute=part)
    with use("reference"):
        torch.testing.assert_close(found, run(given, *others, compute=part))


def test_weights_alone_or_branches_alone_may_have_gradients():
    given, logits, _ = draw((2, 3, 4, 5), 2, torch.float64, "rows", "separate")
    above = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    (alone,) = torch.autograd.grad(select_branches(squeeze_branches(given), logits.requires_grad_()), logits, above)
    torch.testing.assert_close(alone.flatten(2), torch.stack([(above * x).sum((2, 3)) for x in given], 1))
    second = given[1].requires_grad_()
    (alone,) = torch.autograd.grad(select_branches(squeeze_branches(given), logits.detach()), second, above)
    torch.testing.assert_close(alone, above * logits.detach()[:, 1])


def test_gradients_of_gradients_are_refused():
    given, logits, _ = draw((2, 3, 4, 5), 2, torch.float32, "rows", "separate")
    first = given[0].requires_grad_()
    y = select_branches(squeeze_branches(given), logits)
    (gradient,) = torch.autograd.grad(y.square().sum(), first, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@by_way
def test_nothing_is_kept_after_the_last_use(way):
    given, logits, _ = draw((2, 3, 4, 5), 2, torch.float32, "rows", way)
    features = tuple(tensor.requires_grad_() * 1 for tensor in given)
    watched = weakref.ref(features[0])
    squeezed = squeeze_branches(features) if way == "separate" else squeeze_branches(features[0], 2)
    y = select_branches(squeezed, logits)
    y.sum().backward()
    gc.disable()
    try:
        del features, squeezed, y
        assert watched() is None
    finally:
        gc.enable()


@by_layout
def test_what_is_no_number_stays_where_it_is(layout):
    values = [torch.randn(2, 33, 5, 7) for _ in range(2)]
    values[0][0, 3, 1, 1], values[1][1, 32, 4, 6] = torch.nan, torch.inf
    given, weights = tuple(lay_out(v, torch.float32, layout) for v in values), torch.rand(2, 2, 33, 1, 1)
    found, expected = (select_branches(given, weights, impl=impl) for impl in ("cpu", "reference"))
    torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "layout", "way"), [(torch.float32, "rows", "separate"), (torch.bfloat16, "positions", "parts")]
)
def test_every_operator_is_registered_as_it_behaves(dtype, layout, way):
    given, by_channel, by_position = draw((2, 9, 3, 5), 3, dtype, layout, way)
    for weights, positions in ((by_channel, False), (by_position, True)):
        y = torch.ops.regard.branches_select.default(given, weights, positions)
        samples = {
            "branches_select": (given, weights, positions),
            "branches_sums": (y, given, weights, positions),
            "branches_spread": (y, given[0] if way == "parts" else None, weights, None, positions),
        }
        for name, arguments in samples.items():
            torch.library.opcheck(getattr(torch.ops.regard, name).default, arguments)


@by_layout
def test_the_number_of_threads_hardly_matters(layout):
    inputs, before = draw((1, 24, 61, 59), 2, torch.float64, layout, "parts"), torch.get_num_threads()
    expected = run(*inputs)
    try:
        torch.set_num_threads(3)
        found = run(*inputs)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_branches_that_are_served():
    x = torch.ones(2, 6, 4, 5)
    assert can_serve_all((x, x), 2)
    assert can_serve_all((x,), 3)
    assert not can_serve_all((x,), 4)
    assert not can_serve_all((x,) * (MOST + 1), MOST + 1)
    assert not can_serve_all((x, x.double()), 2)
    assert not can_serve_all((x, x.to(memory_format=torch.channels_last)), 2)
    assert not can_serve_all((x.half(), x.half()), 2)


@pytest.mark.parametrize(
    ("weights", "by_position"),
    [((2, 2, 3, 1), False), ((2, 2, 1, 4), True), ((1, 2, 3, 1), None), ((2, 2, 3, 4), None), ((2, 2, 1, 1), None)],
)
def test_the_axis_of_weights(weights, by_position):
    assert axis_of((torch.ones(2, 3, 4),) * 2, torch.ones(weights)) is by_position
    assert axis_of((torch.ones(2, 6, 4),), torch.ones(weights)) is by_position


def test_one_link_is_taken_once():
    link = Link()
    assert (link.take(), link.take()) == (True, False)
    weights = torch.ones(1)
    link.leave(weights)
    assert link.fetch() is weights
