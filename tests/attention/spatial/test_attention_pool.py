import numpy as np
import pytest
import torch
from timm.layers import AttentionPool2d, AttentionPoolLatent
from torch.nn import functional

from regard.attention import export_weights, import_weights
from regard.attention.spatial.attention_pool import AttentionPool
from regard.core import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features
from tests.attention.formulas import softmax
from tests.attention.twins import assert_twins


def formula(x, p, form, heads):
    """One query's mean of the values, in a loop over images, heads and tokens."""
    y = []
    for image in x:
        tokens = list(image.reshape(len(image), -1).T)
        tokens = [np.mean(tokens, 0), *tokens] if form == "mean" else tokens
        if "position" in p:
            tokens = [token + row for token, row in zip(tokens, p["position"], strict=True)]

        def layer(name, token):
            return (p[f"{name}.weight"] @ token + p[f"{name}.bias"]).reshape(heads, -1)

        query = layer("query", tokens[0] if form == "mean" else p["token"])
        keys, values = ([layer(name, token) for token in tokens] for name in ("key", "value"))
        parts = []
        for n in range(heads):
            shares = softmax(np.array([query[n] @ key[n] for key in keys]) / np.sqrt(query.shape[1]), 0)
            parts.append(sum(s * value[n] for s, value in zip(shares, values, strict=True)))
        y.append(p["project.weight"] @ np.concatenate(parts) + p["project.bias"])
    return np.array(y)


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 6, 5), (1, 6, 2, 3, 2), (1, 6, 1, 1), (1, 6, 1, 7)])
@pytest.mark.parametrize("form", ["mean", "query"])
@pytest.mark.parametrize("placed", [False, True])
def test_it_is_the_published_formula(shape, form, placed):
    module, x = drawn(AttentionPool(6, form=form, heads=3, size=shape[2:] if placed else None)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module), form, 3), atol=1e-11)


def test_a_case_computed_by_hand():
    module = AttentionPool(1, form="query")
    with torch.no_grad():
        for name, value in (("query", 1.0), ("key", np.log(3)), ("value", 4.0), ("project", 2.0)):
            getattr(module, name).weight.fill_(value)
            getattr(module, name).bias.zero_()
        module.token.fill_(1.0)
    # The shares of 0 and 1 are 1 : 3, the values 0 and 4.
    assert module(torch.tensor([[[0.0, 1.0]]])).item() == pytest.approx(2 * 3)


class Latent(AttentionPoolLatent):
    """Theirs without the perceptron, on features."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.mlp = None

    def forward(self, x):
        return super().forward(x.flatten(2).transpose(1, 2))


def test_timms_pooling_by_a_learned_query_agrees():
    x = features(2, 16, 5, 3)
    assert_twins(AttentionPool(16, form="query", heads=4), Latent(16, num_heads=4), "timm", x)
    theirs = Latent(16, num_heads=4, feat_size=15, pos_embed="abs")
    assert_twins(AttentionPool(16, form="query", heads=4, size=(5, 3)), theirs, "timm", x)


@pytest.mark.parametrize("width", [16, 6])
def test_timms_form_of_clips_head_agrees(width):
    options = {"heads": 4, "size": (5, 3), "out_channels": width}
    module, x = drawn(AttentionPool(16, **options)), features(2, 16, 5, 3)
    theirs = AttentionPool2d(16, out_features=width, feat_size=(5, 3), num_heads=4, qkv_separate=True).double()
    renamed = {"q_proj": "q", "k_proj": "k", "v_proj": "v", "c_proj": "proj", "positional_embedding": "pos_embed"}
    official = export_weights(module, "official")
    theirs.load_state_dict({_rename(name, renamed): values for name, values in official.items()})
    results = []
    for net in (module, theirs):
        z = x.clone().requires_grad_()
        y = net(z)
        results.append((y.detach(), *torch.autograd.grad(y.square().sum(), z)))
    for ours, other in zip(*results, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-11, atol=1e-11)
    assert count(module) == count(theirs)
    other = AttentionPool(16, **options).double()
    import_weights(other, official, "official")
    assert torch.equal(other(x), module(x))


def _rename(name, names):
    first, dot, rest = name.partition(".")
    return f"{names[first]}{dot}{rest}"


def test_the_count_of_the_published_head():
    # CLIP's RN50: an embedding of 50 tokens and four square layers of 2048, but for the last one's 1024 outputs.
    published = 50 * 2048 + 3 * (2048 * 2048 + 2048) + 2048 * 1024 + 1024
    assert AttentionPool.count(2048, heads=32, size=(7, 7), out_channels=1024) == published
    module = AttentionPool(64, heads=8, size=(3, 3), out_channels=32)
    assert count(module) == AttentionPool.count(64, heads=8, size=(3, 3), out_channels=32)
    assert module(torch.randn(2, 64, 3, 3)).shape == (2, 32)


def test_places_are_resampled_for_other_sizes():
    module, x = drawn(AttentionPool(6, size=(2, 2))), features(1, 6, 4, 6)
    embedding = module._embedding((4, 6))
    wanted = functional.interpolate(module.position[1:].t().reshape(1, 6, 2, 2), (4, 6), mode="bilinear")
    torch.testing.assert_close(embedding[1:], wanted.reshape(6, 24).t())
    assert torch.equal(embedding[0], module.position[0])
    assert module(x).shape == (1, 6)


@pytest.mark.parametrize("form", ["mean", "query"])
def test_a_uniform_map_gives_the_mean(form):
    module, x, seen = drawn(AttentionPool(8, form=form, heads=2)), features(2, 8, 3, 4), []
    module.map.sink = seen.append
    module(x)
    shares = seen[0].sum((2, 3))
    assert seen[0].shape == (2, 2, 3, 4)
    assert (shares < 1).all() if form == "mean" else torch.allclose(shares, torch.ones_like(shares))
    module.map.replace = module.map.nothing
    torch.testing.assert_close(module(x), module.project(module.value(x.mean((2, 3)))))


def test_it_cannot_start_as_the_identity():
    with pytest.raises(TypeError, match="start"):
        AttentionPool(8, start="identity")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "max"}, "attention_pool: form='max' is not allowed; choose one of 'mean', 'query'"),
        ({"heads": 3}, r"attention_pool: heads=3 is not allowed; it must divide the channels, 8 \(try 1\)"),
        ({"size": (3, 0)}, "attention_pool: size=0 is not allowed"),
        ({"size": ()}, r"attention_pool: size=\(\) is not allowed"),
        ({"size": 7}, r"attention_pool: size=7 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        AttentionPool(8, **options)


def test_a_size_fixes_the_number_of_axes():
    with pytest.raises(ShapeError, match="with 2 position axes"):
        AttentionPool(8, size=(3, 3))(torch.zeros(1, 8, 4))
