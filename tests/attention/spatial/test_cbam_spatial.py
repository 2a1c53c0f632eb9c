import numpy as np
import pytest
import torch
from pytorchcv.models.cbamresnet import SpatialGate
from timm.layers.cbam import SpatialAttn

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.cbam_spatial import CBAMSpatial
from regard.core.errors import OptionError, ShapeError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import batch_statistics, convolve, normalise, sigmoid
from tests.attention.twins import assert_twins


def logits(x, p):
    """The convolution of [max, mean] over channels, in the order of the authors' code."""
    planes = np.stack([x.max(1), x.mean(1)], 1)
    return convolve(planes, p["conv.weight"], padding=p["conv.weight"].shape[-1] // 2)


def formula(x, p):
    """Equation 3 of the paper with the authors' normalisation, in evaluation."""
    running = (p["norm.running_mean"], p["norm.running_var"])
    return x * sigmoid(normalise(logits(x, p), *running, p["norm.weight"], p["norm.bias"]))


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (2, 6, 9), (2, 6, 3, 5, 2), (1, 6, 1, 1)])
@pytest.mark.parametrize("kernel_size", [7, 3])
def test_it_is_the_papers_formula(shape, kernel_size):
    module, x = drawn(CBAMSpatial(6, kernel_size=kernel_size, dims=len(shape) - 2)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_the_running_statistics_have_momentum_0_01():
    module, x = drawn(CBAMSpatial(6)).train(), features(3, 6, 7, 5)
    before = {name: values.copy() for name, values in arrays(module).items()}
    z = logits(x.numpy(), before)
    mean, variance = batch_statistics(z)
    expected = x.numpy() * sigmoid(normalise(z, mean, variance, before["norm.weight"], before["norm.bias"]))
    assert_equal(module(x), expected)
    unbiased = variance * z.size / (z.size - 1)
    after = arrays(module)
    np.testing.assert_allclose(after["norm.running_mean"], 0.99 * before["norm.running_mean"] + 0.01 * mean)
    np.testing.assert_allclose(after["norm.running_var"], 0.99 * before["norm.running_var"] + 0.01 * unbiased)


def test_a_case_computed_by_hand():
    module = CBAMSpatial(2, kernel_size=1, dims=1).eval()
    with torch.no_grad():
        module.conv.weight.copy_(torch.tensor([[[1.0], [-1.0]]]))
        module.norm.weight.fill_(np.sqrt(1 + 1e-5) * np.log(3))
    # max - mean is 1 at the first position and 0 at the second.
    y = module(torch.tensor([[[3.0, 2.0], [1.0, 2.0]]]))
    assert y.flatten().tolist() == pytest.approx([2.25, 1.0, 0.75, 1.0])


def test_the_map_starts_at_exactly_a_half():
    for training in (True, False):
        module = CBAMSpatial(8).train(training)
        x = torch.randn(2, 8, 7, 5)
        assert torch.equal(module(x), x / 2)


def test_counts_and_order():
    assert count(CBAMSpatial(64)) == 100
    assert names(CBAMSpatial(8)) == ["conv.weight", "norm.weight", "norm.bias"]


def test_timm_agrees_after_its_planes_are_swapped():
    assert_twins(CBAMSpatial(6), SpatialAttn(), "timm", features(2, 6, 5, 3))


def test_pytorchcv_agrees():
    assert_twins(CBAMSpatial(6), SpatialGate(), "pytorchcv", features(2, 6, 5, 3))


def test_the_authors_weights_round_trip():
    module, other, x = drawn(CBAMSpatial(6)), CBAMSpatial(6).double().eval(), features(2, 6, 5, 3)
    state = export_weights(module, "official")
    assert {name.rpartition(".")[0] for name in state} == {"spatial.conv", "spatial.bn"}
    # The first plane is the maximum's there too.
    assert torch.equal(state["spatial.conv.weight"], module.conv.weight)
    import_weights(other, state, "official")
    assert torch.equal(other(x), module(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernel_size": 6}, r"cbam_spatial: kernel_size=6 is not allowed; it must be odd.*\(try 5 or 7\)"),
        ({"dims": 4}, "cbam_spatial: dims=4 is not allowed; choose one of 1, 2, 3"),
        ({"dims": True}, "dims=True is not allowed"),
        ({"strict": "yes"}, "cbam_spatial: strict='yes' is not allowed; it must be True or False"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        CBAMSpatial(8, **options)


def test_features_of_other_axes_are_refused():
    with pytest.raises(ShapeError, match="with 2 position axes"):
        CBAMSpatial(8)(torch.zeros(2, 8, 5))


def test_a_single_value_warns_or_is_refused():
    x = torch.randn(1, 8, 1, 1)
    with pytest.warns(UserWarning, match="one value per channel"):
        assert torch.equal(CBAMSpatial(8)(x), x / 2)
    with pytest.raises(ShapeError, match="strict=False"):
        CBAMSpatial(8, strict=True)(x)
