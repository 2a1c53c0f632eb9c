import copy
import pickle
import threading

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from regard.attention import create
from regard.kernels import (
    Squeezed,
    SqueezedBranches,
    apply_gate,
    squeeze_branches,
    squeeze_positions,
    use,
)
from tests.kernels.cases import assert_as_good, draw, needs_extension, run
from tests.kernels.uses import LINKED, USES

by_link = pytest.mark.parametrize("compute", LINKED.values(), ids=LINKED)

MODULES = ("se", "eca", "srm", "cbam", "cbam_channel", "cbam_spatial")
SHAPE = (2, 16, 5, 7)


def inputs(dtype=torch.float64, layout="rows"):
    return draw(SHAPE, dtype, layout)


def as_module(name, dtype=torch.float64):
    torch.manual_seed(0)
    module = create(name, channels=16).to(dtype)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def test_it_iterates_over_its_statistics_in_order():
    x = torch.randn(2, 3, 5, 4)
    squeezed = squeeze_positions(x, "max", "mean")
    peak, mean = squeezed
    assert isinstance(squeezed, Squeezed)
    assert (len(squeezed), squeezed.ndim) == (2, 4)
    assert squeezed[1] is mean
    assert torch.equal(peak, x.amax((2, 3)))
    assert len(copy.copy(squeezed)) == 2


def test_the_gate_takes_it_instead_of_features():
    x, gate = torch.randn(2, 3, 5), torch.rand(2, 3, 1)
    assert torch.equal(apply_gate(squeeze_positions(x, "mean"), gate), apply_gate(x, gate))


def test_the_features_are_not_public():
    names = [name for name in dir(squeeze_positions(torch.randn(1, 1, 1))) if not name.startswith("_")]
    assert names == ["ndim"]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_it_passes_through_a_compiled_function(backend):
    def gate_by_the_mean(x):
        squeezed = squeeze_positions(x, "mean")
        (mean,) = squeezed
        return apply_gate(squeezed, mean.sigmoid().unsqueeze(2))

    x = torch.randn(2, 3, 5)
    with use("reference"):  # which compilers get
        expected = gate_by_the_mean(x)
    assert torch.equal(torch.compile(gate_by_the_mean, backend=backend, fullgraph=True)(x), expected)


@needs_extension
@pytest.mark.parametrize("use_of_it", USES)
def test_one_gate_alone_is_joined(use_of_it):
    for shape in (SHAPE, (2, 1, 1, 1), (2, 1, 3, 3)):
        for layout in ("rows", "positions"):
            assert_as_good(use_of_it, [draw(shape, torch.float64, layout)], f"{shape} {layout}")


@by_link
@pytest.mark.parametrize("train", [(1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_whatever_has_a_gradient_gets_it(compute, train):
    """The three are the features, the weights of the channels and those of the positions."""

    def gradients(given):
        given = [
            tensor.clone().requires_grad_(bool(is_trained)) for tensor, is_trained in zip(given, train, strict=True)
        ]
        result = compute(*given)[0]
        if result.requires_grad:
            result.square().sum().backward()
        return [tensor.grad for tensor in given]

    given = inputs()
    found = gradients(given)
    with use("reference"):
        expected = gradients(given)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


@by_link
def test_backward_twice_adds_twice(compute):
    x, *weights = inputs()
    x.requires_grad_()
    loss = sum(result.square().sum() for result in compute(x, *weights))
    loss.backward(retain_graph=True)
    once = x.grad.clone()
    loss.backward()
    torch.testing.assert_close(x.grad, 2 * once)


@by_link
def test_gradients_of_some_results_and_inputs(compute):
    given = [tensor.requires_grad_() for tensor in inputs()]

    def partly():
        results = compute(*given)
        all_at_once = torch.autograd.grad(results[0].sum(), given, retain_graph=True, allow_unused=True)
        alone = [torch.autograd.grad(results[0].sum(), one, retain_graph=True, allow_unused=True)[0] for one in given]
        statistics = torch.autograd.grad(results[1].sum(), given[0], retain_graph=True)
        again = torch.autograd.grad(results[0].sum(), given[0])
        return [tensor for tensor in (*all_at_once, *alone, *statistics, *again) if tensor is not None]

    found = partly()
    with use("reference"):
        expected = partly()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@by_link
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpointing_changes_no_gradient(compute, use_reentrant):
    def step(around):
        given = [tensor.clone().requires_grad_() for tensor in drawn]
        results = around(lambda *g: tuple(compute(*g)), *given)
        sum(result.square().sum() for result in results).backward()
        return [*results, *(tensor.grad for tensor in given if tensor.grad is not None)]

    drawn = inputs()
    found = step(lambda f, *given: checkpoint(f, *given, use_reentrant=use_reentrant))
    for one, other in zip(found, step(lambda f, *given: f(*given)), strict=True):
        torch.testing.assert_close(one, other)


@needs_extension
@by_link
def test_double_backward_is_refused(compute):
    x, *weights = inputs()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(compute(x, *weights)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


@by_link
def test_features_changed_in_place_are_an_error(compute):
    x, *weights = inputs()
    leaf = x.requires_grad_()
    x = leaf * 1
    result = compute(x, *weights)[0]
    x.mul_(2)
    with pytest.raises(RuntimeError, match=r"modified (by an )?inplace"):
        result.sum().backward()


@by_link
@pytest.mark.parametrize(
    "upstream",
    [
        lambda y: y.new_ones(1).expand(y.shape),
        lambda y: torch.arange(y.numel(), dtype=y.dtype).view(y.shape).transpose(2, 3).contiguous().transpose(2, 3),
        lambda y: torch.randn(*y.shape[:3], 2 * y.shape[3], dtype=y.dtype)[..., ::2],
        lambda y: y.new_ones(y.shape).contiguous(memory_format=torch.channels_last),
        lambda y: y.new_ones(y.shape).contiguous(),
    ],
    ids=["expanded", "transposed", "strided", "channels last", "contiguous"],
)
def test_the_upstream_may_be_laid_out_otherwise(compute, upstream):
    for layout in ("rows", "positions"):
        given = [tensor.requires_grad_() for tensor in inputs(layout=layout)]
        above = upstream(given[0].detach())
        found = torch.autograd.grad(compute(*given)[0], given, above, allow_unused=True, materialize_grads=True)
        with use("reference"):
            true = torch.autograd.grad(compute(*given)[0], given, above, allow_unused=True, materialize_grads=True)
        for one, other in zip(found, true, strict=True):
            torch.testing.assert_close(one, other)


@by_link
def test_a_hook_sees_the_whole_gradient_once(compute):
    x, *weights = inputs()
    seen = []
    x.requires_grad_().register_hook(seen.append)
    sum(result.sum() for result in compute(x, *weights)).backward()
    assert len(seen) == 1
    assert torch.equal(seen[0], x.grad)


@pytest.mark.parametrize("name", MODULES)
def test_inference_is_the_forward_pass_of_training(name):
    module, (x, *_) = as_module(name).eval(), inputs()
    expected = module(x.clone().requires_grad_()).detach()
    with torch.inference_mode():
        torch.testing.assert_close(module(x), expected)
    with torch.no_grad(), use("reference"):
        torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("name", MODULES)
def test_autocast_keeps_the_features_dtype(name):
    module, (x, *_) = as_module(name, torch.float32), inputs(torch.float32)

    def step(impl):
        with use(impl), torch.autocast("cpu", torch.bfloat16):
            leaf = x.clone().requires_grad_()
            y = module(leaf)
        y.sum().backward()
        return y, leaf.grad

    for found, expected in zip(step("auto"), step("reference"), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05 * expected.abs().max().item())


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_copied_and_pickled(name):
    module, (x, *_) = as_module(name).eval(), inputs()
    y = module(x.requires_grad_())
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x), y)


@by_link
def test_threads_do_not_disturb_one_another(compute):
    given = [draw(SHAPE, torch.float64) for _ in range(2)]
    expected = [run(compute, one) for one in given]
    found = [[], []]

    def work(number):
        found[number] = [run(compute, given[number]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, wanted in zip(found, expected, strict=True):
        assert len(results) == 20
        assert all(torch.equal(a, b) for result in results for a, b in zip(result, wanted, strict=True))


@needs_extension
@pytest.mark.parametrize("layout", ["rows", "positions"])
@pytest.mark.parametrize("name", MODULES)
def test_one_full_size_tensor_is_saved(name, layout):
    module, (x, *_) = as_module(name, torch.float32), draw((4, 16, 8, 8), torch.float32, layout)
    saved = set()

    def note(tensor):
        if tensor.numel() >= x.numel():
            saved.add(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = module(x.requires_grad_())
    assert saved == {x.untyped_storage().data_ptr()}
    y.sum().backward()


@pytest.mark.parametrize("name", ["se", "eca", "srm", "cbam", "cbam_spatial"])
def test_gradients_of_modules(name):
    module = as_module(name)
    x = draw((2, 16, 3, 2), torch.float64)[0].requires_grad_()
    names, parameters = zip(*module.named_parameters(), strict=True)

    def call(x, *values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, (x, *parameters))


def test_of_branches_only_the_mean_is_public():
    squeezed = squeeze_branches((torch.randn(2, 3, 5), torch.randn(2, 3, 5)))
    assert isinstance(squeezed, SqueezedBranches)
    assert [name for name in dir(squeezed) if not name.startswith("_")] == ["mean"]
    assert squeezed.mean.shape == (2, 3)
