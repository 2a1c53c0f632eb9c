import numpy as np
import pytest
import torch
from torch.nn import functional

from regard.attention.exchange import export_weights, import_weights
from regard.attention.spatial.attention_gate import AttentionGate
from regard.core.errors import OptionError, ShapeError
from regard.testing import check_attention
from tests.attention.drawn import arrays, assert_equal, count, drawn, features, names
from tests.attention.formulas import convolve, normalise, relu, sigmoid


def resize(z, size):
    """Linear interpolation between the centres of cells, axis by axis, position by position."""
    for axis, wanted in enumerate(size, start=2):
        given, rows = z.shape[axis], []
        for index in range(wanted):
            centre = min(max((index + 0.5) * given / wanted - 0.5, 0), given - 1)
            left = min(int(centre), given - 1)
            right = min(left + 1, given - 1)
            rows.append((1 - centre + left) * z.take(left, axis) + (centre - left) * z.take(right, axis))
        z = np.stack(rows, axis)
    return z


def formula(x, g, p, s, *, norm=False, output=False):
    """Equations 1 and 2 of the paper; the positions that a stride leaves over are filled with zeros."""

    def after(z, name):
        if not norm:
            return z
        return normalise(z, *(p[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")))

    filled = np.pad(x, [(0, 0), (0, 0)] + [(0, -n % s) for n in x.shape[2:]])
    fine = after(convolve(filled, p["embed.weight"], p.get("embed.bias"), stride=s), "norm")
    coarse = after(convolve(g, p["embed_signal.weight"], p["embed_signal.bias"]), "norm_signal")
    both = relu(fine + resize(coarse, fine.shape[2:]))
    values = sigmoid(after(convolve(both, p["score.weight"], p["score.bias"]), "norm_score"))
    y = x * resize(values, x.shape[2:])
    if not output:
        return y
    y = convolve(y, p["output.0.weight"], p["output.0.bias"])
    return normalise(y, *(p[f"output.1.{key}"] for key in ("running_mean", "running_var", "weight", "bias")))


CASES = [
    ((2, 4, 8, 6), (2, 5, 4, 3), {}),
    ((2, 4, 7, 5), (2, 5, 3, 4), {"hidden": 3}),
    ((1, 4, 1, 1), (1, 5, 2, 2), {}),
    ((2, 4, 9), (2, 5, 2), {"subsample": 3}),
    ((1, 4, 3, 4, 5), (1, 5, 2, 2, 1), {}),
    ((2, 4, 7, 5), (2, 5, 4, 3), {"norm": True, "subsample": 1}),
    ((2, 4, 7, 5), (2, 5, 4, 3), {"output": True}),
]


@pytest.mark.parametrize(("shape", "signal", "options"), CASES)
def test_it_is_the_papers_formula(shape, signal, options):
    module = drawn(AttentionGate(4, signal_channels=5, dims=len(shape) - 2, **options))
    x, g = features(*shape), features(*signal, seed=2)
    forms = {name: options[name] for name in ("norm", "output") if name in options}
    assert_equal(module(x, g), formula(x.numpy(), g.numpy(), arrays(module), options.get("subsample", 2), **forms))


def test_without_a_signal_x_is_its_own():
    module, x = drawn(AttentionGate(4)), features(2, 4, 6, 5)
    assert torch.equal(module(x), module(x, x))


class GridAttention(torch.nn.Module):
    """The authors' block, written from the paper's figure 2 with the layer that their code puts behind it."""

    def __init__(self, c, g, hidden, dims):
        super().__init__()
        conv = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[dims]
        norm = {2: torch.nn.BatchNorm2d, 3: torch.nn.BatchNorm3d}[dims]
        self.W = torch.nn.Sequential(conv(c, c, 1), norm(c))
        self.theta, self.phi = conv(c, hidden, 2, stride=2, bias=False), conv(g, hidden, 1)
        self.psi, self.mode = conv(hidden, 1, 1), {2: "bilinear", 3: "trilinear"}[dims]

    def forward(self, x, g):
        fine = self.theta(x)
        both = torch.relu(fine + functional.interpolate(self.phi(g), fine.shape[2:], mode=self.mode))
        values = functional.interpolate(torch.sigmoid(self.psi(both)), x.shape[2:], mode=self.mode)
        return self.W(values * x)


@pytest.mark.parametrize(("size", "coarse"), [((8, 6), (4, 3)), ((8, 6), (2, 2)), ((4, 6, 2), (2, 3, 1))])
@pytest.mark.parametrize("training", [False, True])
def test_the_authors_block_agrees_and_exchanges_weights(size, coarse, training):
    options = {"signal_channels": 5, "output": True, "dims": len(size)}
    module, again = drawn(AttentionGate(4, **options)), AttentionGate(4, **options).double()
    theirs = GridAttention(4, 5, 2, len(size)).double()
    theirs.load_state_dict(export_weights(module, "official"))
    import_weights(again, theirs.state_dict(), "official")
    for net in (module, again, theirs):
        net.train(training)
    x, y, g = features(3, 4, *size).requires_grad_(), features(3, 4, *size).requires_grad_(), features(3, 5, *coarse)
    ours, want = module(x, g), theirs(y, g)
    torch.testing.assert_close(ours, want, rtol=1e-10, atol=1e-11)
    ours.pow(3).sum().backward()
    want.pow(3).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-9, atol=1e-9)
    assert torch.equal(again(x, g), ours)


class AttentionBlock(torch.nn.Module):
    """The widely used other form: every convolution normalised, both inputs of one size."""

    def __init__(self, c, g, hidden):
        super().__init__()
        conv, norm = torch.nn.Conv2d, torch.nn.BatchNorm2d
        self.W_g = torch.nn.Sequential(conv(g, hidden, 1), norm(hidden))
        self.W_x = torch.nn.Sequential(conv(c, hidden, 1), norm(hidden))
        self.psi = torch.nn.Sequential(conv(hidden, 1, 1), norm(1), torch.nn.Sigmoid())

    def forward(self, x, g):
        return x * self.psi(torch.relu(self.W_g(g) + self.W_x(x)))


@pytest.mark.parametrize("training", [False, True])
def test_the_other_form_agrees_and_exchanges_weights(training):
    options = {"signal_channels": 5, "subsample": 1, "norm": True}
    module, again = drawn(AttentionGate(4, **options)), AttentionGate(4, **options).double()
    theirs = AttentionBlock(4, 5, 2).double()
    theirs.load_state_dict(export_weights(module, "Image_Segmentation"))
    import_weights(again, theirs.state_dict(), "Image_Segmentation")
    for net in (module, again, theirs):
        net.train(training)
    x, y, g = features(3, 4, 6, 5).requires_grad_(), features(3, 4, 6, 5).requires_grad_(), features(3, 5, 6, 5)
    ours, want = module(x, g), theirs(y, g)
    torch.testing.assert_close(ours, want, rtol=1e-11, atol=1e-12)
    ours.square().sum().backward()
    want.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-10, atol=1e-11)
    assert torch.equal(again(x, g), ours)


def test_the_count_and_the_order():
    assert count(AttentionGate(64, signal_channels=128)) == 4 * 64 * 32 + 128 * 32 + 32 + 32 + 1
    assert count(AttentionGate(4, signal_channels=5, output=True)) == count(GridAttention(4, 5, 2, 2))
    assert count(AttentionGate(4, signal_channels=5, subsample=1, norm=True)) == count(AttentionBlock(4, 5, 2))
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names(AttentionGate(4, norm=True, output=True)))
    assert [*layers] == [
        *("embed", "norm", "embed_signal", "norm_signal", "score", "norm_score", "output.0", "output.1")
    ]  # fmt: skip


def test_the_map_is_that_of_the_positions():
    module, x, seen = drawn(AttentionGate(4)), features(2, 4, 7, 5), []
    module.gate.sink = seen.append
    y = module(x, features(2, 4, 2, 2, seed=2))
    assert seen[0].shape == (2, 1, 7, 5)
    assert torch.equal(y, x * seen[0])


@pytest.mark.parametrize("options", [{}, {"norm": True, "subsample": 1}, {"output": True}])
def test_it_conforms_with_and_without_a_signal(options):
    def build(channels, start="paper", dims=2):
        return AttentionGate(channels, signal_channels=channels, start=start, dims=dims, **options)

    def alone(channels, size, batch):
        return torch.randn(batch, channels, *size)

    checks = ("shapes", "batch_of_one", "channels_last", "dtypes", "autocast", "taps", "identity_start", "determinism")
    for inputs in (AttentionGate(8).example_inputs, alone):
        check_attention(build, example_inputs=inputs, checks=checks)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"signal_channels": 0}, "attention_gate: signal_channels=0 is not allowed"),
        ({"hidden": 0}, "attention_gate: hidden=0 is not allowed"),
        ({"subsample": 0}, "attention_gate: subsample=0 is not allowed"),
        ({"norm": 1}, "attention_gate: norm=1 is not allowed"),
        ({"output": "yes"}, "attention_gate: output='yes' is not allowed"),
        ({"strict": 1}, "attention_gate: strict=1 is not allowed"),
    ],
)
def test_a_wrong_option_is_said(options, says):
    with pytest.raises(OptionError, match=says):
        AttentionGate(8, **options)


def test_a_wrong_signal_is_said():
    module, x = AttentionGate(4, signal_channels=5), torch.randn(2, 4, 6, 6)
    with pytest.raises(ShapeError, match="there is no signal, and x has 4 channels where a signal has 5"):
        module(x)
    for wrong in (
        torch.randn(2, 4, 3, 3),
        torch.randn(2, 5, 3),
        torch.ones(2, 5, 3, 3).int(),
        torch.randn(1, 5, 3, 3),
        torch.randn(2, 5, 0, 4),
    ):
        with pytest.raises(ShapeError, match=r"the signal has shape .* floating point \(2, 5, ...\) with 2 position"):
            module(x, wrong)
