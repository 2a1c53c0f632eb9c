"""Peak memory of training with many queries and keys: `python -m benchmarks.sequences.memory [--queries 4096 ...]`.

One forward and backward pass over one sequence, without weights asked for. Measured is what the process (or the
device) held at most beyond the inputs and parameters that were there before; with `--impl reference` the additive
score makes every pair at once, for comparison. A line of JSON is printed for each mechanism.
"""

import argparse
import json
import resource
import sys
import time

import torch

from regard.attention import create
from regard.kernels.pair_score import api
from regard.kernels.pair_score.impl import blocks, reference
from regard.recipes.versions import versions

MECHANISMS = ("additive", "multiplicative", "multiplicative:score=concat")


def held(device: str, *, peak: bool) -> int:
    """Bytes that the process, or the device, holds now, or held at most."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    if peak:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def measure(mechanism: str, queries: int, keys: int, hidden: int, device: str) -> dict[str, object]:
    """One training step of a mechanism."""
    options = {} if mechanism == "multiplicative" else {"hidden_size": hidden}
    module = create(mechanism, query_size=hidden, key_size=hidden, **options).to(device)
    given = [torch.randn(1, n, hidden, device=device, requires_grad=True) for n in (queries, keys)]
    small = [tensor[:, :2].detach() for tensor in given]
    module(*small, need_weights=False).context.sum().backward()
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    before, start = held(device, peak=False), time.perf_counter()
    module(*given, need_weights=False).context.square().sum().backward()
    peak = held(device, peak=True)  # waits for the device
    return {
        "mechanism": mechanism,
        "queries": queries,
        "keys": keys,
        "hidden": hidden,
        "device": device,
        "peak_mib": round((peak - before) / 2**20, 1),
        "weights_mib": round(4 * queries * keys / 2**20, 1),
        "all_pairs_mib": round(4 * queries * keys * hidden / 2**20, 1),
        "seconds": round(time.perf_counter() - start, 2),
    }


def main() -> None:
    """Reads the command line and measures one mechanism: on the CPU the highest mark of a process is never lowered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mechanism", default=MECHANISMS[0], choices=MECHANISMS)
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--keys", type=int, default=4096)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--impl", default="blocks", choices=("blocks", "reference"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.impl == "reference":
        assert api.blocks is blocks
        api.blocks = reference
    found = measure(arguments.mechanism, arguments.queries, arguments.keys, arguments.hidden, arguments.device)
    sys.stdout.write(
        json.dumps(found | {"impl": arguments.impl, "threads": arguments.threads, "versions": versions()}) + "\n"
    )


if __name__ == "__main__":
    main()
