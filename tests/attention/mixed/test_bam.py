import numpy as np
import pytest
import torch
from pytorchcv.models.bamresnet import BamBlock

from regard.attention.exchange import export_weights, import_weights
from regard.attention.mixed.bam import BAM
from regard.core.errors import CheckpointError, OptionError, ShapeError
from tests.attention.drawn import PLAIN_RESNET, arrays, assert_equal, block_outputs, count, drawn, features, names
from tests.attention.formulas import (
    affine,
    batch_statistics,
    convolve,
    normalise,
    over_positions,
    positions_mean,
    relu,
    sigmoid,
)
from tests.attention.twins import assert_twins


def running(p, path):
    """Normalisation by the running statistics of the layer at `path`."""
    return lambda z: normalise(
        z, p[f"{path}.running_mean"], p[f"{path}.running_var"], p[f"{path}.weight"], p[f"{path}.bias"]
    )


def of_batch(p, path):
    """Normalisation by the batch's own statistics."""
    return lambda z: normalise(z, *batch_statistics(z), p[f"{path}.weight"], p[f"{path}.bias"])


def multiply(x, p, norm=running, dilation=4):
    """The authors' code: normalised hidden layers, the branches multiplied."""

    def conv(name, z, d=0):
        return convolve(z, p[f"spatial.{name}.weight"], p[f"spatial.{name}.bias"], padding=d, dilation=d or 1)

    hidden = affine(p["channel.reduce.weight"], positions_mean(x), p["channel.reduce.bias"])
    hidden = relu(norm(p, "channel.norm")(hidden))
    channel = affine(p["channel.expand.weight"], hidden, p["channel.expand.bias"])
    z = relu(norm(p, "spatial.reduce_norm")(conv("reduce", x)))
    for name in ("dilated1", "dilated2"):
        z = relu(norm(p, f"spatial.{name}_norm")(conv(name, z, dilation)))
    return x * (1 + sigmoid(over_positions(channel, x) * conv("score", z)))


def add(x, p, norm=running, dilation=4):
    """Equations 1 to 4 of the paper: each branch normalised at its end, the branches added."""

    def conv(name, z, d=0):
        return convolve(z, p[f"spatial.{name}.weight"], p[f"spatial.{name}.bias"], padding=d, dilation=d or 1)

    hidden = relu(affine(p["channel.reduce.weight"], positions_mean(x), p["channel.reduce.bias"]))
    channel = norm(p, "channel.norm")(affine(p["channel.expand.weight"], hidden, p["channel.expand.bias"]))
    z = relu(conv("reduce", x))
    z = relu(conv("dilated2", relu(conv("dilated1", z, dilation)), dilation))
    return x + x * sigmoid(over_positions(channel, x) + norm(p, "spatial.norm")(conv("score", z)))


FORMULAS = {"mul": multiply, "add": add}


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 4, 9), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("combine", ["mul", "add"])
def test_it_is_the_published_formula(shape, combine):
    module, x = drawn(BAM(6, reduction=2, combine=combine, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), FORMULAS[combine](x.numpy(), arrays(module)))


@pytest.mark.parametrize("combine", ["mul", "add"])
def test_in_training_it_normalises_by_the_batch(combine):
    module, x = drawn(BAM(6, reduction=2, combine=combine, dilation=2)).train(), features(4, 6, 7, 5)
    expected = FORMULAS[combine](x.numpy(), arrays(module), norm=of_batch, dilation=2)
    assert_equal(module(x), expected, rtol=1e-9)


def test_pytorchcv_agrees():
    assert_twins(BAM(32), BamBlock(32), "pytorchcv", features(2, 32, 9, 7), rtol=1e-10)


def test_the_authors_layout_goes_there_and_back():
    module = drawn(BAM(32))
    state = export_weights(module, "official")
    assert state["channel_att.gate_c.gate_c_fc_0.weight"].shape == (2, 32)
    assert state["spatial_att.gate_s.gate_s_conv_di_1.weight"].shape == (2, 2, 3, 3)
    # Weights and biases of two linear layers and four convolutions; four norms with five tensors each.
    assert len(state) == 6 * 2 + 4 * 5
    other = BAM(32).double().eval()
    import_weights(other, state, "official")
    x = features(2, 32, 3, 4)
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize("library", ["official", "pytorchcv"])
def test_the_papers_form_has_no_twin(library):
    with pytest.raises(CheckpointError, match="another function than this module: build it with combine='mul'"):
        export_weights(BAM(32, combine="add"), library)


def test_a_case_computed_by_hand():
    module = BAM(1).eval()
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.channel.expand.bias.fill_(2.0)
        module.spatial.score.bias.fill_(np.log(3) / 2)
    # The hidden layers give 0, so the logits are 2 * log 3 / 2 and the gate 1 + 3/4.
    assert module(torch.tensor([[[[4.0, -8.0]]]])).flatten().tolist() == pytest.approx([7.0, -14.0])


def test_the_branch_covers_a_wide_image():
    module, x = drawn(BAM(6, reduction=1)), features(1, 6, 2, 40)
    changed = x.clone()
    changed[..., -1] += 1
    assert not torch.equal(module(x)[..., 0], module(changed)[..., 0])


def test_counts_of_the_published_networks():
    assert count(BAM(64)) == 1_173
    for depth, published in {18: 11_712_503, 34: 21_820_663, 50: 25_915_099, 101: 44_907_227}.items():
        assert PLAIN_RESNET[depth] + sum(count(BAM(c)) for c, _ in block_outputs(depth)[:3]) == published
    # The paper's form has one norm of c and one of 1 instead of four of the hidden width.
    assert count(BAM(64, combine="add")) == 1_173 - 4 * 2 * 4 + 2 * 64 + 2


def test_parameters_stand_in_the_order_of_the_formula():
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names(BAM(8))))
    assert layers == [
        *("channel.reduce", "channel.norm", "channel.expand", "spatial.reduce", "spatial.reduce_norm"),
        *("spatial.dilated1", "spatial.dilated1_norm", "spatial.dilated2", "spatial.dilated2_norm", "spatial.score"),
    ]
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names(BAM(8, combine="add"))))
    assert layers[:3] == ["channel.reduce", "channel.expand", "channel.norm"]
    assert layers[-2:] == ["spatial.score", "spatial.norm"]


def test_it_starts_as_the_authors_networks():
    module = BAM(64)
    convolutions = [m for m in module.spatial if isinstance(m, torch.nn.Conv2d)]
    assert not any(values.any() for name, values in module.named_parameters() if name.endswith("bias"))
    assert all(torch.equal(m.weight, torch.ones_like(m.weight)) for m in (module.channel.norm, module.spatial[1]))
    assert len(convolutions) == 4
    # He's normal initialisation: variance 2 / fan out, the output channels times the positions of the kernel.
    torch.manual_seed(0)
    wide = BAM(1024, reduction=8)
    assert wide.spatial.reduce.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.02)
    assert wide.spatial.dilated1.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)


def test_the_map_lies_between_one_and_two():
    module, x, seen = drawn(BAM(6, reduction=2)), 100 * features(2, 6, 7, 5), []
    module.gate.sink = seen.append
    y = module(x)
    assert (module.gate.kind.name, module.gate.low, module.gate.high, module.gate.neutral) == ("mixed", 1.0, 2.0, 1.0)
    assert seen[0].shape == x.shape
    assert (seen[0] >= 1).all()
    assert (seen[0] <= 2).all()
    assert torch.equal(y, x * seen[0])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"combine": "sum"}, "bam: combine='sum' is not allowed; choose one of 'mul', 'add'"),
        ({"dilation": 0}, "bam: dilation=0 is not allowed; it must be an integer of at least 1"),
        ({"reduction": "16"}, "bam: reduction='16' is not allowed; it must be an integer of at least 1"),
        ({"dims": 2.0}, "bam: dims=2.0 is not allowed; choose one of 1, 2, 3"),
        ({"strict": 0}, "bam: strict=0 is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        BAM(8, **options)


def test_a_single_image_warns_or_is_refused():
    with pytest.warns(UserWarning, match="one value per channel"):
        BAM(8)(torch.randn(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="batches of two or more"):
        BAM(8, strict=True)(torch.randn(1, 8, 4, 4))
