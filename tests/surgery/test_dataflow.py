"""The flow of a pass: values, channel axes, what modules returned."""

import torch
from torch import nn

from regard.surgery.dataflow import CONSTANT, count_calls, members, trace
from regard.surgery.dry_run import run
from tests.surgery.networks import anatomy, same_anatomy, small_resnet


class Views(nn.Module):
    """Features whose channels move around."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 8, 3), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x):
        y = self.conv(x).flatten(2).transpose(1, 2)
        y = self.linear(self.norm(y))
        return y.unflatten(1, (6, 6)).permute(0, 3, 1, 2)


def flow_of(net, *shape):
    with torch.no_grad():
        return trace(net, torch.zeros(*shape), run)


def test_the_channel_axis_is_followed():
    flow = flow_of(Views(), 1, 3, 8, 8)
    axis = {path: flow.values[values[0]].axis for path, values in flow.calls.items() if values[0] is not None}
    assert (axis["conv"], axis["norm"], axis["linear"], axis[""]) == (1, 2, 2, 1)


def test_an_operation_in_place_makes_a_new_value():
    flow = flow_of(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True)), 1, 3, 4, 4)
    conv, relu = flow.calls["0"][0], flow.calls["1"][0]
    assert conv != relu
    assert flow.values[relu].operation == "relu"
    assert flow.returned[relu] == ["1", ""]


class Writing(nn.Module):
    """Writes into a part of a tensor."""

    def forward(self, x):
        y = torch.zeros(1, 2, 4)
        y[:, :1] = x
        return y + 1


def test_writing_into_a_view_changes_its_base():
    flow = flow_of(Writing(), 1, 1, 4)
    assert flow.outputs, "the result depends on the input through a view"
    assert flow.reaching & 1


def test_what_depends_on_no_input_is_constant():
    flow = flow_of(nn.Conv2d(3, 4, 1), 1, 3, 4, 4)
    conv = flow.values[flow.calls[""][0]]
    assert CONSTANT in conv.parents
    assert [value.operation for value in flow.values] == ["input", "convolution"]


def test_values_that_reach_the_output_are_known():
    flow = flow_of(small_resnet(), 1, 3, 64, 64)
    (output,) = flow.outputs
    assert flow.reaching >> output & 1
    assert next(iter(members(flow.before[output]))) == 0


def test_tracing_changes_nothing():
    net = small_resnet()
    before = anatomy(net)
    flow_of(net, 1, 3, 64, 64)
    assert same_anatomy(before, anatomy(net))


def test_calls_are_counted():
    relu = nn.ReLU()
    net = nn.Sequential(relu, nn.Identity(), relu)
    assert count_calls(net, {id(relu): "relu"}, torch.zeros(1), run) == {"relu": 2}
