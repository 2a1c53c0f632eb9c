import itertools
import math

import numpy as np
import pytest
import torch
from timm.layers import NonLocalAttn
from torch.nn import functional

from regard.attention import export_weights, import_weights
from regard.attention.spatial.nonlocal_ import NonLocal
from regard.core import OptionError, ShapeError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, count, drawn, features
from tests.attention.formulas import batch_statistics, normalise, relu, softmax
from tests.attention.largest import Largest, largest_of_a_step
from tests.attention.twins import assert_twins

FORMS = ("embedded", "gaussian", "dot", "concatenation")


def halve(x):
    """The maximum of windows of two along the last two axes (one in sound); the last window may hold one."""
    axes = min(2, x.ndim - 2)
    y = np.empty((*x.shape[:-axes], *(-(-n // 2) for n in x.shape[-axes:])))
    for cell in itertools.product(*map(range, y.shape[-axes:])):
        window = tuple(slice(2 * i, 2 * i + 2) for i in cell)
        y[(..., *cell)] = x[(..., *window)].max(tuple(range(-axes, 0)))
    return y


def add(x, p, form, scale, subsample):
    """Equations 1 to 5 and W of equation 6, in a loop over images and positions."""
    seen = halve(x) if subsample == 2 else x
    flat, others = x.reshape(*x.shape[:2], -1), seen.reshape(*x.shape[:2], -1)
    y = np.empty_like(flat)

    def layer(name, z):
        return p[f"{name}.weight"] @ z + p[f"{name}.bias"]

    for b, i in np.ndindex(flat.shape[0], flat.shape[2]):
        keys, here = others[b].T, flat[b, :, i]
        if form == "gaussian":
            weights = softmax(np.array([here @ key for key in keys]) * scale, 0)
        else:
            theta, phi = layer("query", here), [layer("key", key) for key in keys]
            if form == "embedded":
                weights = softmax(np.array([theta @ key for key in phi]) * scale, 0)
            elif form == "dot":
                weights = np.array([theta @ key for key in phi]) / len(keys)
            else:
                weights = relu(np.array([p["score.weight"][0] @ [*theta, *key] for key in phi])) / len(keys)
        y[b, :, i] = layer("project", sum(f * layer("value", key) for f, key in zip(weights, keys, strict=True)))
    return y.reshape(x.shape)


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 6, 5), (1, 6, 2, 3, 4), (1, 6, 1, 1), (1, 6, 1, 7)])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("subsample", [1, 2])
@pytest.mark.parametrize("watched", [False, True])
def test_it_is_the_papers_formula(shape, form, subsample, watched):
    module, x = drawn(NonLocal(6, form=form, subsample=subsample)), 0.5 * features(*shape)
    module.map.sink = (lambda values: None) if watched else None
    p, z = arrays(module), x.numpy()
    h = add(z, p, form, 6**-0.5 if form == "gaussian" else 3**-0.5, subsample)
    norm = [p[f"norm.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    assert_equal(module(x), z + normalise(h, *norm), atol=1e-11)


@pytest.mark.parametrize(("scale", "value"), [("width", 3**-0.5), ("channels", 6**-0.5), ("none", 1.0)])
def test_without_normalisation_and_with_every_scale(scale, value):
    module, x = drawn(NonLocal(6, norm=False, scale=scale)), features(2, 6, 3, 4)
    assert_equal(module(x), x.numpy() + add(x.numpy(), arrays(module), "embedded", value, 1))


def test_in_training_it_normalises_by_the_batch():
    module, x = drawn(NonLocal(6)).train(), features(3, 6, 4, 3)
    p = arrays(module)
    h = add(x.numpy(), p, "embedded", 3**-0.5, 1)
    assert_equal(module(x), x.numpy() + normalise(h, *batch_statistics(h), p["norm.weight"], p["norm.bias"]), rtol=1e-9)


def test_a_case_computed_by_hand():
    module = NonLocal(1, form="dot", norm=False)
    with torch.no_grad():
        for name, value in (("query", 1.0), ("key", 2.0), ("value", 3.0), ("project", 1.0)):
            getattr(module, name).weight.fill_(value)
    # The position of 2 gets (2 * 2 * 1 * 3 + 2 * 2 * 2 * 6) / 2, that of 1 half as much.
    assert module(torch.tensor([[[1.0, 2.0]]])).flatten().tolist() == pytest.approx([1 + 15, 2 + 30])


def test_even_sizes_agree_with_max_pooling():
    whole, x = NonLocal(4, form="gaussian", subsample=2), features(2, 4, 6, 8).float()
    pooled, seen = functional.max_pool2d(x, 2), []
    whole.map.sink = seen.append
    whole(x)
    logits = torch.einsum("bcij,bckl->bijkl", x, pooled) / 2
    torch.testing.assert_close(seen[0][:, 0].flatten(3), logits.flatten(3).softmax(3))


def test_timms_rounded_width_agrees():
    theirs = NonLocalAttn(40, use_scale=False)
    module = NonLocal(40, hidden=theirs.t.out_channels, scale="none")
    assert theirs.t.out_channels != 40 // 8
    assert_twins(module, theirs, "timm", 0.3 * features(2, 40, 3, 2))


@pytest.mark.parametrize("use_scale", [True, False])
def test_timm_agrees(use_scale):
    module = NonLocal(64, reduction=8, scale="channels" if use_scale else "none")
    assert_twins(module, NonLocalAttn(64, use_scale=use_scale), "timm", 0.3 * features(2, 64, 5, 3))


@pytest.mark.parametrize("form", FORMS)
def test_mmcvs_state_dict_is_read_and_written(form):
    shapes = {"g.conv": (8, 16, 1, 1), "conv_out.conv": (16, 8, 1, 1)}
    if form != "gaussian":
        shapes |= {"theta.conv": (8, 16, 1, 1), "phi.conv": (8, 16, 1, 1)}
    state = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()}
    if form == "concatenation":
        state["concat_project.conv.weight"] = torch.randn(1, 16, 1, 1)
    module = NonLocal(16, form=form, norm=False)
    import_weights(module, state, "mmcv")
    back = export_weights(module, "mmcv")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], values) for name, values in state.items())


def test_the_count_of_a_published_network():
    # One block at the fourth stage of a ResNet-50, as published with the block of global context: 27.66 million.
    assert round((PLAIN_RESNET[50] + count(NonLocal(1024))) / 1e6, 2) == 27.66


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", [True, False])
def test_it_starts_without_effect(form, norm):
    x = features(2, 8, 3, 3).float()
    assert torch.equal(NonLocal(8, form=form, norm=norm)(x), x)
    module = NonLocal(8, form=form, norm=norm, start="identity")
    assert module.project.weight.any()
    assert module.norm is None or (module.norm.weight == 1).all()
    torch.manual_seed(0)
    assert NonLocal(1024, form=form).value.weight.std().item() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("form", ["embedded", "gaussian", "dot"])
def test_an_unwatched_tap_makes_no_full_map(form):
    module, x = NonLocal(8, form=form, start="identity"), torch.randn(1, 8, 20, 20)
    assert largest_of_a_step(module, x) < 400 * 400 / 4
    module.map.sink = lambda values: None
    with Largest() as largest:
        module(x)
    assert largest.numel >= 400 * 400


@pytest.mark.parametrize("form", FORMS)
def test_maps_keep_their_range_and_shape(form):
    module, x, seen = drawn(NonLocal(6, form=form, subsample=2)), features(2, 6, 5, 4), []
    module.map.sink = seen.append
    module(x)
    assert seen[0].shape == (2, 1, 5, 4, 3, 2)
    assert module.map.low == (-math.inf if form == "dot" else 0)
    assert module.map.high == (1 if form in ("embedded", "gaussian") else math.inf)
    assert bool(((seen[0] >= module.map.low) & (seen[0] <= module.map.high)).all())
    if form in ("embedded", "gaussian"):
        torch.testing.assert_close(seen[0].sum((4, 5)), torch.ones(2, 1, 5, 4).double())
    assert (seen[0] < 0).any() == (form == "dot")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "softmax"}, "nonlocal: form='softmax' is not allowed; choose one of 'embedded', 'gaussian', 'dot'"),
        ({"reduction": 0}, "nonlocal: reduction=0"),
        ({"subsample": 3}, "nonlocal: subsample=3 is not allowed; choose one of 1, 2"),
        ({"scale": True}, "nonlocal: scale=True is not allowed; choose one of 'width', 'channels', 'none'"),
        ({"norm": "bn"}, "nonlocal: norm='bn' is not allowed; it must be True or False"),
        ({"strict": 1}, "nonlocal: strict=1"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        NonLocal(8, **options)


def test_a_strict_normalisation_refuses_a_single_value():
    with pytest.raises(ShapeError, match="batches of two or more"):
        NonLocal(8, strict=True)(torch.randn(1, 8, 1, 1))
