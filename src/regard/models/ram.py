"""The recurrent attention model: a network that sees an image through a few glimpses, one after the other."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn, relu, tanh

from regard.attention.policies import GaussianPolicy, GridPolicy, Spread, roll_out, rollout_draws
from regard.attention.resampling import average
from regard.attention.spatial.glimpse import Glimpse
from regard.core.draws import Draws
from regard.core.errors import OptionError, ShapeError
from regard.core.hard import Looker
from regard.core.options import at_least, flag, one_of
from regard.core.precision import widen
from regard.core.returns import Answer, Sample

Core = Literal["relu", "lstm"]
First = Literal["centre", "random", "context"]
State = tuple[Tensor, ...]

COARSE = 12
"""Cells an axis of what the context network sees of the whole image."""


class RAM(Looker):
    """Looks at an image through glimpses: each position follows from the glimpses before, the class from all.

    g_t = relu(U relu(A glimpse(x, l_t) + a) + V relu(B l_t + b) + c), the glimpse network
    h_t = relu(W h_(t-1) + S g_t + d), the core, or an LSTM of g_t
    l_(t+1) drawn around tanh(L2 relu(L1 h_t)), the location network; the class by a linear layer of h_T

    Mnih, Heess, Graves, Kavukcuoglu: Recurrent Models of Visual Attention, NIPS 2014, sections 3 and 3.1. With
    `first="context"`: Ba, Mnih, Kavukcuoglu: Multiple Object Recognition with Visual Attention, ICLR 2015, section 3;
    the first position follows from the whole image averaged to 12 x 12, and nothing else does. A baseline network
    expects the reward of each choice. After the last glimpse no position is drawn, as none would be looked at.

    It differs from the paper: the location network has a hidden layer and a tanh, and the standard deviation may fall
    while it learns. Without chance, as in evaluation, every position is the mean or the mode of its distribution.

    Args:
        num_classes: number of outputs.
        in_channels: channels of an image.
        glimpses: T, at least 1.
        patch: side of every patch as the network sees it.
        scales: patches a glimpse.
        scale: how much larger each patch is than the one before.
        hidden: units of the core.
        core: `relu` or `lstm`.
        first: the first position: `centre`; `random` in training, else the centre; or `context`, from that network.
        std: standard deviation of positions, in units of half the image; the initial one where it changes.
        spread: `fixed`, `scheduled` or `learned`, see `GaussianPolicy`.
        last_std: at the end of the schedule.
        std_epochs: how many epochs the schedule takes.
        cells: choose among the cells of a grid with so many rows and columns instead; None means a Gaussian.
        detach_location: stop the gradient of the location network before the core.
        random: look at random positions, also in evaluation, as a baseline for the choice.
        sure: stop looking in evaluation when a class has this probability; None means never.

    Raises:
        OptionError: an option out of its range.

    Example:
        >>> net = RAM(num_classes=10, in_channels=1, glimpses=4)
        >>> answer = net(torch.randn(2, 1, 28, 40))
        >>> answer.logits.shape, answer.looks.shape, answer.samples[0].value.shape
        (torch.Size([2, 10]), torch.Size([2, 4, 10]), torch.Size([2, 2]))
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        glimpses: int = 6,
        patch: int = 8,
        scales: int = 1,
        scale: float = 2.0,
        hidden: int = 256,
        core: Core = "relu",
        first: First = "centre",
        std: float = 0.2,
        spread: Spread = "fixed",
        last_std: float = 0.06,
        std_epochs: int = 100,
        cells: int | None = None,
        detach_location: bool = False,
        random: bool = False,
        sure: float | None = None,
    ) -> None:
        super().__init__()
        self.name = "ram"
        one_of("ram", "core", core, get_args(Core))
        one_of("ram", "first", first, get_args(First))
        self.num_classes = at_least("ram", "num_classes", num_classes, 1)
        self.in_channels = at_least("ram", "in_channels", in_channels, 1)
        self.glimpses = at_least("ram", "glimpses", glimpses, 1)
        self.hidden, self.first = at_least("ram", "hidden", hidden, 2), first
        self.detach_location = flag("ram", "detach_location", detach_location)
        self.random, self.sure = flag("ram", "random", random), sure
        if sure is not None and (isinstance(sure, bool) or not isinstance(sure, int | float) or not 0 < sure <= 1):
            raise OptionError(f"ram: sure={sure!r} is not allowed; it must be a probability above 0, up to 1.")
        self.sensor = Glimpse(in_channels, size=patch, scales=scales, scale=scale)
        self.policy = (
            GaussianPolicy(std, spread=spread, last=last_std, epochs=std_epochs)
            if cells is None
            else GridPolicy((cells, cells))
        )
        half = hidden // 2
        self.see = nn.Linear(self.sensor.out_channels * patch**2, half)
        self.where = nn.Linear(2, half)
        self.what_to_glimpse = nn.Linear(half, hidden)
        self.where_to_glimpse = nn.Linear(half, hidden, bias=False)
        self.core: nn.Module = _ReLUCore(hidden) if core == "relu" else nn.LSTMCell(hidden, hidden)
        self.locate = _Location(hidden, half, self.policy.inputs, bounded=cells is None)
        self.expect_reward = nn.Linear(hidden, 1)
        self.fc = nn.Linear(hidden, num_classes)
        self.context = _Context(in_channels, hidden) if first == "context" else None

    def forward(self, images: Tensor, draws: Draws | None = None, rollouts: int = 1) -> Answer:
        """The answer to images (b, c, h, w) of any size, see `Looker`."""
        self._expect(images, draws)
        path = self._walk(images, draws, at_least("ram", "rollouts", rollouts, 1))
        looks = torch.stack(path.logits, 1)
        baseline = torch.cat(path.expected, 1) if path.expected else None
        if self.sure is None or self.training:
            return Answer(looks[:, -1], tuple(path.samples), baseline, looks)
        used = first_sure(looks, self.sure)
        logits = looks.gather(1, (used - 1)[:, None, None].expand(-1, 1, self.num_classes)).squeeze(1)
        return Answer(logits, tuple(path.samples), baseline, looks, used)

    def rewarded(self, reward: Tensor) -> None:
        """Does nothing: the baseline network learns by a loss."""

    def _walk(self, images: Tensor, draws: Draws | None, rollouts: int) -> "_Path":
        """All glimpses of all rollouts, until every image is sure where that ends it."""
        each = images if rollouts == 1 else images.repeat_interleave(rollouts, 0)
        noise, epoch = self._noise(draws, rollouts), 0 if draws is None else draws.epoch
        path, state = _Path([], [], []), self._blank(each)
        position = self._first(each, draws, rollouts, noise, epoch, path)
        for step in range(self.glimpses):
            state = self._next(state, self._glimpse(each, position))
            path.logits.append(widen(self.fc(state[0])))
            if step + 1 == self.glimpses or self._all_sure(path.logits):
                break
            position = self._choose(state[0], None if noise is None else noise[step + 1], epoch, path)
        return path

    def _all_sure(self, logits: list[Tensor]) -> bool:
        """True if no image of an evaluated batch needs another glimpse."""
        if self.sure is None or self.training:
            return False
        return bool((torch.stack(logits, 1).softmax(2).amax(2) >= self.sure).any(1).all())

    def _glimpse(self, images: Tensor, position: Tensor) -> Tensor:
        dtype = self.see.weight.dtype
        what = relu(self.see(self.sensor(images, position).flatten(1).to(dtype)))
        where = relu(self.where(position.to(dtype)))
        return relu(self.what_to_glimpse(what) + self.where_to_glimpse(where))

    def _next(self, state: State, seen: Tensor) -> State:
        return self.core(seen, state) if len(state) == 2 else (self.core(seen, state[0]),)

    def _choose(self, hidden: Tensor, noise: Tensor | None, epoch: int, path: "_Path") -> Tensor:
        """Chooses the next position; keeps its sample and the reward expected before it is seen."""
        if self.random and noise is not None:
            path.samples.append(Sample(noise, None, None))
            return noise
        path.expected.append(widen(self.expect_reward(hidden.detach())))
        sample = self.policy(self.locate(hidden.detach() if self.detach_location else hidden), noise, epoch)
        path.samples.append(sample)
        return sample.value

    def _first(
        self, images: Tensor, draws: Draws | None, rollouts: int, noise: Tensor | None, epoch: int, path: "_Path"
    ) -> Tensor:
        if self.random and noise is not None:
            return noise[0]
        if self.context is not None:
            return self._choose(self.context(images), None if noise is None else noise[0], epoch, path)
        if self.first == "random" and draws is not None:
            each = [one.uniform(2) for one in rollout_draws(draws.of("first"), rollouts)]
            return 2 * torch.stack(each, 1).flatten(0, 1) - 1
        return widen(images).new_zeros(images.shape[0], 2)

    def _noise(self, draws: Draws | None, rollouts: int) -> Tensor | None:
        if draws is None:
            return None
        if self.random:
            return roll_out(draws, rollouts, lambda one: 2 * one.uniform(self.glimpses, 2) - 1)
        return self.policy.noise(draws, self.glimpses, rollouts)

    def _blank(self, images: Tensor) -> State:
        zeros = self.fc.weight.new_zeros(images.shape[0], self.hidden)
        return (zeros, zeros) if isinstance(self.core, nn.LSTMCell) else (zeros,)

    def _expect(self, images: Tensor, draws: Draws | None) -> None:
        if images.ndim != 4 or images.shape[1] != self.in_channels or not images.is_floating_point():
            raise ShapeError(
                f"ram: the images have shape {tuple(images.shape)} and dtype {images.dtype}; the network takes "
                f"floating-point images (b, {self.in_channels}, h, w): convert them, or create the network with "
                "in_channels= the number of their channels."
            )
        if draws is not None and draws.indices.shape[0] != images.shape[0]:
            raise ShapeError(f"ram: there are draws for {len(draws.indices)} images and {images.shape[0]} images.")


class _Path(NamedTuple):
    """A sample and an expected reward for each choice, and the logits after each glimpse."""

    samples: list[Sample]
    expected: list[Tensor]
    logits: list[Tensor]


class _ReLUCore(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.keep = nn.Linear(hidden, hidden)
        self.take = nn.Linear(hidden, hidden)

    def forward(self, seen: Tensor, state: Tensor) -> Tensor:
        return relu(self.keep(state) + self.take(seen))


class _Location(nn.Module):
    """The parameters of the policy from the state of the core; a mean stays inside the image."""

    def __init__(self, hidden: int, half: int, outputs: int, *, bounded: bool) -> None:
        super().__init__()
        self.reduce = nn.Linear(hidden, half)
        self.place = nn.Linear(half, outputs)
        self.squash: Callable[[Tensor], Tensor] = tanh if bounded else nn.Identity()

    def forward(self, state: Tensor) -> Tensor:
        return self.squash(self.place(relu(self.reduce(state))))


class _Context(nn.Module):
    """The whole image, coarsely."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.look = nn.Linear(channels * COARSE**2, hidden)

    def forward(self, images: Tensor) -> Tensor:
        coarse = average(widen(images), (COARSE, COARSE)).flatten(1)
        return relu(self.look(coarse.to(self.look.weight.dtype)))


def first_sure(looks: Tensor, sure: float) -> Tensor:
    """(b,) the number of looks until a class has the probability `sure`; all of them where none reaches it.

    >>> first_sure(torch.tensor([[[0.0, 0.1], [0.0, 5.0], [0.0, 9.0]], [[0.0, 0.1]] * 3]), 0.9).tolist()
    [2, 3]
    """
    enough = looks.softmax(2).amax(2) >= sure
    enough[:, -1] = True
    return enough.to(torch.int64).argmax(1) + 1
