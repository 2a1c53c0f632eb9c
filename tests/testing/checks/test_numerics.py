import torch

from regard.core import Facts, Paper, Tap
from tests.testing.gates import Gate, failures


class CancelsDigits(Gate):
    """Adds and takes away a large number in the parameters' dtype."""

    def gate(self, x):
        mean = x.mean((2, 3)).to(self.score.weight.dtype)
        return torch.sigmoid(self.score((mean + 1000) - 1000))[:, :, None, None]


class ForgetsItsDtype(Gate):
    """A tensor that is no buffer stays in float32 when the module is converted."""

    def __init__(self, channels):
        super().__init__(channels)
        self.scale = torch.full((channels, 1, 1), 0.5)

    def gate(self, x):
        return super().gate(x) * self.scale


class WritesIntoATensor(Gate):
    """Writes autocast's bfloat16 into a tensor of the features' dtype."""

    def gate(self, x):
        mean = x.mean((2, 3)).to(self.score.weight.dtype)
        logits, rows = torch.zeros_like(mean), torch.arange(len(x))
        logits[rows] = self.score(mean)
        return torch.sigmoid(logits.to(x.dtype))[:, :, None, None]


class Promotes(Gate):
    """Leaves y in float32 where the gate was made in it."""

    def forward(self, x):
        return x * self.gate(x).float() if torch.is_autocast_enabled("cpu") else super().forward(x)


class NaiveSigmoid(Gate):
    """exp overflows in float16 from 12 on."""

    def gate(self, x):
        power = torch.exp(8 * self.score(x.mean((2, 3))))
        return (power / (1 + power))[:, :, None, None]


class SumsInHalf(Gate):
    """A sum of squares over positions leaves the range of float16 before it is divided."""

    def gate(self, x):
        total = x.square().sum((2, 3))
        total = total - total.mean(1, keepdim=True)
        return torch.sigmoid(self.score(total / (x.shape[2] * x.shape[3])))[:, :, None, None]


class RootOfVariance(Gate):
    """The square root's gradient is infinite where every channel is the same."""

    def gate(self, x):
        return super().gate(x) * torch.sigmoid(x.var((1, 2, 3), keepdim=True, correction=0).sqrt())


class LooksWithoutGradient(Gate):
    """The score's gradient does not reach x."""

    def gate(self, x):
        return super().gate(x.detach())


class Doubles(torch.autograd.Function):
    """x, with a gradient twice too large."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return 2 * gradient


class WrongBackward(Gate):
    """The gradient of the parameters is wrong, that of x is right."""

    def gate(self, x):
        layer = self.score
        logits = torch.nn.functional.linear(x.mean((2, 3)), Doubles.apply(layer.weight), layer.bias)
        return torch.sigmoid(logits)[:, :, None, None]


FACTS = Facts(
    name="mine",
    family="channel",
    paper=Paper(title="Mine", authors="Me", year=2026, venue="Here", identifier="doi:10.1000/1"),
    dims=(2,),
)


class NarrowMap(Gate):
    """Normalises in the dtype that autocast gives."""

    facts = FACTS

    def __init__(self, channels):
        super().__init__(channels)
        self.tap = Tap("gate")

    def gate(self, x):
        return self.tap(super().gate(x))


class WideMap(NarrowMap):
    """Normalises in float32 and applies the map in x's dtype."""

    def gate(self, x):
        logits = self.score(x.mean((2, 3)).to(self.score.weight.dtype))
        return self.tap(torch.sigmoid(logits.float()))[:, :, None, None].to(x.dtype)


def test_a_map_in_half_under_autocast_fails_autocast():
    found = failures(NarrowMap, ("autocast",))
    assert "the map in the tap tap is in bfloat16: normalise in float32" in found["autocast"]
    assert not failures(WideMap, ("autocast",))


def test_lost_digits_fail_dtypes():
    found = failures(CancelsDigits)
    assert found.keys() == {"dtypes"}
    assert "x in float16: a value of y is" in found["dtypes"]


def test_an_unregistered_tensor_fails_dtypes_and_autocast():
    found = failures(ForgetsItsDtype)
    assert found.keys() == {"dtypes", "autocast"}
    assert "x in float16: y has dtype float32" in found["dtypes"]


def test_a_copy_between_dtypes_fails_autocast():
    found = failures(WritesIntoATensor)
    assert found.keys() == {"autocast"}
    assert "under autocast to bfloat16 raised RuntimeError: Index put requires" in found["autocast"]


def test_an_output_in_float32_fails_autocast():
    found = failures(Promotes)
    assert found.keys() == {"autocast"}
    assert "x in bfloat16 under autocast to bfloat16: y has dtype float32" in found["autocast"]


def test_a_sigmoid_that_overflows_fails_finiteness():
    found = failures(NaiveSigmoid)
    assert found.keys() == {"finiteness"}
    assert "strong x in float16" in found["finiteness"]
    assert "infinite or not a number" in found["finiteness"]


def test_a_sum_of_squares_in_float16_fails_finiteness():
    found = failures(SumsInHalf)
    assert found.keys() == {"finiteness"}
    assert "strong x in float16" in found["finiteness"]


def test_the_root_of_zero_variance_fails_finiteness():
    found = failures(RootOfVariance)
    assert found.keys() == {"finiteness"}
    assert "x = 0 everywhere: the gradient of x" in found["finiteness"]


def test_a_score_that_is_detached_fails_gradcheck():
    found = failures(LooksWithoutGradient)
    assert found.keys() == {"gradcheck"}
    assert "the gradient of x in evaluation" in found["gradcheck"]


def test_a_wrong_gradient_of_a_parameter_is_named():
    found = failures(WrongBackward)
    assert found.keys() == {"gradcheck"}
    assert "the gradient of score.weight in evaluation" in found["gradcheck"]
