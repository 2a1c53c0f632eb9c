"""Small networks for the tests of surgery."""

import copy

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torchvision.models.resnet import BasicBlock, ResNet


def small_resnet(blocks=(1, 1, 1, 1)):
    """torchvision's residual network with few blocks, whose normalisations have seen something."""
    torch.manual_seed(1)
    net = ResNet(BasicBlock, list(blocks), num_classes=5)
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 64, 64))
    return net.eval()


def images(size=64, batch=2):
    """Images as a network takes them."""
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(3))


def strengthen(net, value=0.7):
    """Gives every inserted mechanism an effect."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(".strength"):
                parameter.fill_(value)


def anatomy(net):
    """All that a refusal or a revert must leave as it was."""
    return (
        [(path, id(module), type(module), module.training) for path, module in net.named_modules()],
        [(name, *tensor_facts(p)) for name, p in (*net.named_parameters(), *net.named_buffers())],
        {name: content(value) for name, value in net.state_dict().items()},
        [{k: [*map(id, v.values())] for k, v in hooks(m)} for m in net.modules()],
        [sorted(vars(module)) for module in net.modules()],
    )


def tensor_facts(tensor):
    """Identity, flag and version; of a buffer none, since a dry run puts its content back in place."""
    version = tensor._version if isinstance(tensor, nn.Parameter) and not is_lazy(tensor) else None
    return id(tensor), tensor.requires_grad, version, tensor.grad is None


def content(value):
    """A copy of a tensor of a state dict; anything else as it is."""
    return value.clone() if isinstance(value, torch.Tensor) and not is_lazy(value) else type(value)


def hooks(module):
    """The dictionaries of hooks of a module by their names."""
    return [(k, v) for k, v in vars(module).items() if "hooks" in k and isinstance(v, dict)]


def same_anatomy(first, second):
    """Whether two anatomies are equal, tensors bit by bit."""
    states = first[2], second[2]
    alike = list(states[0]) == list(states[1]) and all(alike_content(states[0][k], states[1][k]) for k in states[0])
    return alike and first[:2] == second[:2] and first[3:] == second[3:]


def alike_content(first, second):
    """Whether two entries of a state dict are equal."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    return first == second


class Chain(nn.Module):
    """Layers that run as the `f` of each says, as in the YOLO family."""

    def __init__(self):
        super().__init__()
        conv = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU())
        deep = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.SiLU())
        self.model = nn.Sequential(conv, deep, nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 1))
        for index, layer in enumerate(self.model):
            layer.f, layer.i = -1, index

    def forward(self, x):
        """The last layer's result."""
        seen = []
        for layer in self.model:
            x = layer(x if layer.f == -1 else seen[layer.f])
            seen.append(x)
            assert layer.i == len(seen) - 1
        return x


class UNet(nn.Module):
    """Two levels with a skip connection."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.down = nn.MaxPool2d(2)
        self.two = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.last = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))

    def forward(self, x):
        """The logits of every position."""
        one = self.one(x)
        return self.last(torch.cat((one, self.up(self.two(self.down(one)))), 1))


class Twice(nn.Module):
    """A block under two names, which a pass runs twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3, padding=1))
        self.again = self.first

    def forward(self, x):
        """x with the block's result added, twice."""
        x = x + self.first(x)
        return x + self.again(x)


def copied(net):
    """A copy with the same weights."""
    return copy.deepcopy(net)
