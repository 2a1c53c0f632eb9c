import pytest
import torch
from torch import nn

from regard.core import CheckpointError, Layout, Stored


class Ours(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(4, 4), nn.Linear(4, 4)
        self.conv = nn.Conv2d(2, 1, 3, bias=False)
        self.norm = nn.BatchNorm1d(4)


class Theirs(nn.Module):
    def __init__(self):
        super().__init__()
        self.qk = nn.Conv2d(4, 8, 1)
        self.planes = nn.Conv2d(2, 1, 3, bias=False)
        self.bn = nn.BatchNorm1d(4)


LAYOUT = Layout(
    library="other",
    twin="other.Theirs",
    names={
        "query": Stored(name="qk", axes=4, part=(0, 2)),
        "key": Stored(name="qk", axes=4, part=(1, 2)),
        "conv": Stored(name="planes", flipped=1),
        "norm": "bn",
    },
)


def stir(module):
    for values in module.state_dict().values():
        if values.is_floating_point():
            values.normal_()
    return module


def test_there_and_back_is_the_same():
    ours = stir(Ours()).state_dict()
    back = LAYOUT.to_ours(LAYOUT.to_theirs(ours), Ours().state_dict())
    assert set(back) == set(ours)
    assert all(torch.equal(back[name], ours[name]) for name in ours)


def test_their_module_loads_ours_and_agrees():
    ours, theirs, x = stir(Ours()), Theirs(), torch.randn(2, 4)
    theirs.load_state_dict(LAYOUT.to_theirs(ours.state_dict()))
    both = torch.cat([ours.query(x), ours.key(x)], 1)
    torch.testing.assert_close(theirs.qk(x[..., None, None]).flatten(1), both)
    planes = torch.randn(1, 2, 5, 5)
    torch.testing.assert_close(theirs.planes(planes.flip(1)), ours.conv(planes))


def test_a_custom_conversion_round_trips():
    turned = Layout(
        library="o",
        twin="o.T",
        names={"weight": Stored(name="w", there=lambda t: t.T.contiguous(), back=lambda t: t.T.contiguous())},
    )
    weight = torch.randn(2, 3)
    assert torch.equal(turned.to_theirs({"weight": weight})["w"], weight.T)
    assert torch.equal(turned.to_ours({"w": weight.T}, {"weight": torch.zeros(2, 3)})["weight"], weight)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda state: state.pop("qk.bias"),
            "stores our 'query.bias' as 'qk.bias', and the weights have no such tensor",
        ),
        (
            lambda state: state.update(extra=torch.zeros(1)),
            "The weights hold extra, which this mechanism does not have",
        ),
        (
            lambda state: state.update({"planes.weight": torch.zeros(1, 2, 5, 5)}),
            r"gives \(1, 2, 5, 5\) for our 'conv.weight'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    theirs = Theirs().state_dict()
    change(theirs)
    with pytest.raises(CheckpointError, match=says):
        LAYOUT.to_ours(theirs, Ours().state_dict())


def test_a_count_of_batches_may_be_missing():
    theirs = Theirs().state_dict()
    del theirs["bn.num_batches_tracked"]
    assert LAYOUT.to_ours(theirs, Ours().state_dict())["norm.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("name", "says"), [("strength", "exists only with start='identity'"), ("other.weight", "no counterpart")]
)
def test_what_they_do_not_have_is_not_given(name, says):
    with pytest.raises(CheckpointError, match=says):
        LAYOUT.to_theirs({name: torch.zeros(())})


def test_what_is_taken_shares_no_memory():
    theirs = Theirs().state_dict()
    ours = LAYOUT.to_ours(theirs, Ours().state_dict())
    assert ours["norm.weight"].data_ptr() != theirs["bn.weight"].data_ptr()


def test_it_names_the_options_that_differ():
    layout = Layout(library="o", twin="o.T", options={"form": "paper", "dims": 2})
    assert layout.unlike({"form": "paper", "dims": 2, "other": 3}) == ""
    assert layout.unlike({"form": "released", "dims": 2}) == "form='paper'"


def test_their_constants_are_neither_given_nor_required():
    constants = {"basis": lambda options, theirs: torch.full_like(theirs, options["wave"])}
    layout = Layout(library="o", twin="o.T", names={"weight": "w"}, constants=constants, note="wave as there")
    state = {"w": torch.ones(2, 3), "basis": torch.zeros(7)}
    layout.check({"wave": 0}, state)
    layout.check({"wave": 1}, {"w": torch.ones(2, 3)})
    with pytest.raises(CheckpointError, match=r"'basis' of the weights.*options of those weights \(wave as there\)"):
        layout.check({"wave": 1}, state)
    assert list(layout.to_ours(state, {"weight": torch.zeros(2, 3)})) == ["weight"]
    assert list(layout.to_ours({"w": torch.ones(2, 3)}, {"weight": torch.zeros(2, 3)})) == ["weight"]
    assert list(layout.to_theirs({"weight": torch.ones(2, 3)})) == ["w"]
