"""Compares the time of inserted squeeze-and-excitation with the same written into the network by hand.

    python -m benchmarks.surgery.written --rounds 60

Each round times both networks in turn; the order alternates. The median of the rounds' ratios is what counts.
"""

import argparse
import copy
import statistics
import time

import torch
from torch import Tensor, nn
from torchvision import models

import regard
from regard.recipes.console import say
from regard.surgery.attended import detach


class Written(nn.Module):
    """A normalisation and its mechanism, as somebody writes them into a network."""

    def __init__(self, bn: nn.Module, attention: nn.Module) -> None:
        super().__init__()
        self.bn, self.attention = bn, attention

    def forward(self, x: Tensor) -> Tensor:
        """The attended features."""
        return self.attention(self.bn(x))


def pair(name: str, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """A network of torchvision with inserted attention, and one with the same modules written into it."""
    torch.manual_seed(0)
    net = models.get_model(name, weights=None).eval()
    handle = regard.attach(net, "se", at="residual", example=x)
    with torch.no_grad():
        for module in handle.modules.values():
            module.strength.fill_(0.5)  # type: ignore[operator, union-attr]
    other = copy.deepcopy(net)
    for path in handle.modules:
        bn = other.get_submodule(path)
        attention = detach(bn)
        other.set_submodule(path, Written(bn, attention))
    with torch.no_grad():
        assert torch.equal(net(x), other(x))
    return net, other


def seconds(net: nn.Module, x: Tensor, *, train: bool) -> float:
    """The processor time of a forward pass, or of one with its backward pass."""
    start = time.process_time()
    if train:
        net(x).square().mean().backward()
        net.zero_grad(set_to_none=True)
    else:
        with torch.no_grad():
            net(x)
    return time.process_time() - start


def ratios(inserted: nn.Module, written: nn.Module, x: Tensor, rounds: int, *, train: bool) -> list[float]:
    """The times of inserted over written attention, in turns."""
    found = []
    for turn in range(rounds + 2):
        order = (inserted, written) if turn % 2 else (written, inserted)
        taken = {id(net): seconds(net, x, train=train) for net in order}
        found.append(taken[id(inserted)] / taken[id(written)])
    return found[2:]


def main(words: list[str] | None = None) -> None:
    """Prints the ratios of inference and training, and the time of selecting."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surgery.written", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args(words)
    x = torch.randn(arguments.batch, 3, arguments.size, arguments.size, generator=torch.Generator().manual_seed(0))
    inserted, written = pair(arguments.model, x)
    for what, train in (("inference", False), ("training", True)):
        found = sorted(ratios(inserted, written, x, arguments.rounds, train=train))
        low, high = (found[int(share * (len(found) - 1))] for share in (0.25, 0.75))
        say(f"{what}: inserted / written {statistics.median(found):.3f}, middle half {low:.3f} to {high:.3f}")
    net = models.get_model(arguments.model, weights=None)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        regard.select(net)
        taken.append(time.perf_counter() - start)
    say(f"selecting: {statistics.median(taken):.2f} s, {min(taken):.2f} to {max(taken):.2f} s")


if __name__ == "__main__":
    main()
