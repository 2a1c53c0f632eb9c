"""The time of a decode step against the tensor operations in it: `python -m benchmarks.sequences.decode_step`.

The keys are remembered. Both run in turns on the same memory, so that a busy machine is busy for both; the median of
the ratios and its quartiles are printed as a line of JSON, for inference and for training.
"""

import argparse
import json
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.attention import create
from regard.core import Memory
from regard.cost import time_in_turns
from regard.recipes.versions import versions


class Bare(nn.Module):
    """Additive attention in the fewest tensor operations, with a mask and nothing checked."""

    def __init__(self, module: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.query = nn.Parameter(module.query.weight.detach().clone())
        self.score = nn.Parameter(module.score.weight[0].detach().clone())
        self.keys, self.values, self.mask = memory

    def forward(self, query: Tensor) -> Tensor:
        """The context."""
        hidden = torch.tanh(functional.linear(query, self.query).unsqueeze(1) + self.keys)
        weights = (hidden @ self.score).masked_fill(~self.mask, -torch.inf).softmax(-1)
        return torch.bmm(weights.unsqueeze(1), self.values).squeeze(1)


class Stepped(nn.Module):
    """A step of a mechanism on keys that it remembered."""

    def __init__(self, module: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.module = module
        self.keys, self.values, self.mask = memory

    def forward(self, query: Tensor) -> Tensor:
        """The context."""
        return self.module(query, Memory(self.keys, self.values, self.mask)).context


def measure(batch: int, keys: int, width: int, device: str, rounds: int) -> list[dict[str, object]]:
    """Both ways in inference and in training."""
    module = create("additive:start=random", query_size=width, key_size=width).to(device)
    mask = torch.arange(keys, device=device) < torch.randint(keys // 2, keys + 1, (batch, 1), device=device)
    with torch.no_grad():
        memory = module.remember(torch.randn(batch, keys, width, device=device), mask=mask)
    ways = {"bare": Bare(module, memory), "additive": Stepped(module, memory)}
    query = torch.randn(batch, width, device=device)
    with torch.no_grad():
        torch.testing.assert_close(ways["bare"](query), ways["additive"](query))
    found = []
    for what in ("inference", "training"):
        timing = time_in_turns(ways, query, what=what, rounds=rounds)["additive"]
        ratios = {"ratio": timing.ratio, "ratio_low": timing.ratio_low, "ratio_high": timing.ratio_high}
        sizes = {"batch": batch, "keys": keys, "width": width, "device": device, "rounds": rounds}
        found.append({"what": what, **ratios, "milliseconds": 1000 * timing.seconds, **sizes})
    return found


def main() -> None:
    """Reads the command line and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--keys", type=int, default=50)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    for line in measure(arguments.batch, arguments.keys, arguments.width, arguments.device, arguments.rounds):
        sys.stdout.write(json.dumps(line | {"threads": arguments.threads, "versions": versions()}) + "\n")


if __name__ == "__main__":
    main()
