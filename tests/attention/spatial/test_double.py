import numpy as np
import pytest
import torch

from regard.attention.spatial.double import Double
from regard.core import Axis, OptionError
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import softmax
from tests.attention.largest import largest_of_a_step


def formula(x, p):
    """Gathering and distribution as the paper's text has them, in loops over maps and positions."""
    flat, y = x.reshape(*x.shape[:2], -1), np.empty_like(x).reshape(*x.shape[:2], -1)
    for b, image in enumerate(flat):
        reduced, scores, choices = (
            p[f"{name}.weight"] @ image + p[f"{name}.bias"][:, None]
            for name in ("reduce", "gather_score", "distribute_score")
        )
        descriptors = [sum(s * z for s, z in zip(softmax(values, 0), reduced.T, strict=True)) for values in scores]
        for i in range(image.shape[1]):
            mixture = sum(s * g for s, g in zip(softmax(choices[:, i], 0), descriptors, strict=True))
            y[b, :, i] = image[:, i] + p["expand.weight"] @ mixture + p["expand.bias"]
    return y.reshape(x.shape)


@pytest.mark.parametrize("shape", [(2, 8, 4, 3), (2, 8, 5), (1, 8, 2, 3, 2), (1, 8, 1, 1), (1, 3, 1, 7)])
@pytest.mark.parametrize("options", [{}, {"cm": 3, "cn": 5}, {"cn": 1}])
def test_it_is_the_papers_formula(shape, options):
    module, x = drawn(Double(shape[1], **options)), features(*shape)
    assert_equal(module(x), formula(x.numpy(), arrays(module)))


def test_a_case_computed_by_hand():
    module = Double(1, cm=1, cn=2)
    with torch.no_grad():
        for values in module.parameters():
            values.zero_()
        module.reduce.weight.fill_(1.0)
        module.gather_score.weight[1] = np.log(3)
        module.distribute_score.bias[1] = np.log(4)
        module.expand.weight.fill_(8.0)
    # Of the positions 0 and 1 the first map takes the mean 1/2, the second 3/4; each gets 1/5 and 4/5 of these.
    assert module(torch.tensor([[[0.0, 1.0]]])).flatten().tolist() == pytest.approx([5.6, 6.6])


def test_the_maps_are_shares_of_positions_and_descriptors():
    module, x, seen = drawn(Double(8, cn=3)), features(2, 8, 4, 5), []
    for tap in (module.gather, module.distribute):
        tap.sink = seen.append
    module(x)
    gather, distribute = seen
    assert gather.shape == distribute.shape == (2, 3, 4, 5)
    torch.testing.assert_close(gather.sum((2, 3)), torch.ones(2, 3).double())
    torch.testing.assert_close(distribute.sum(1), torch.ones(2, 4, 5).double())
    assert (module.gather.shares, module.distribute.shares) == ({Axis.POSITION}, {Axis.HEAD})


def test_neutral_maps_add_the_same_everywhere():
    module, x = drawn(Double(8)), features(2, 8, 4, 5)
    for tap in (module.gather, module.distribute):
        tap.replace = tap.nothing
    added = module(x) - x
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))


def test_parameters_stand_in_the_order_of_the_formula():
    assert names(Double(8))[::2] == [f"{n}.weight" for n in ("reduce", "gather_score", "distribute_score", "expand")]
    assert count(Double(64, cm=5, cn=7)) == 64 * 5 + 5 + 2 * (64 * 7 + 7) + 5 * 64 + 64


def test_memory_is_linear_in_positions():
    assert largest_of_a_step(Double(8), torch.randn(1, 8, 20, 20)) <= 8 * 400


@pytest.mark.parametrize("option", ["cm", "cn"])
def test_a_wrong_option_is_said(option):
    with pytest.raises(OptionError, match=f"double: {option}=0 is not allowed; it must be an integer of at least 1"):
        Double(8, **{option: 0})
