"""Records of a bench, made up for tests."""

from regard.cost import Timing
from regard.recipes.bench_results import AUTO, BenchResults, Case, Machine, Regime


def timing(name, ratio, mode="inference", seconds=0.01):
    return Timing(
        name=name,
        what=mode,
        images=16,
        rounds=5,
        seconds=round(seconds * ratio, 5),
        low=round(0.9 * seconds * ratio, 5),
        high=round(1.1 * seconds * ratio, 5),
        ratio=ratio,
        ratio_low=round(ratio - 0.02, 5),
        ratio_high=round(ratio + 0.02, 5),
        page_faults=3.0,
    )


def case(mechanism="se", shape=(16, 256, 56, 56), layout="contiguous", mode="inference", *, refused=(), **ratios):
    """A case whose contestants take so many times as long as ours."""
    network = ratios.pop("network", "")
    ratios = ratios if network else {AUTO: 1.0, **ratios}
    return Case(
        mechanism=mechanism,
        network=network,
        shape=shape,
        layout=layout,
        mode=mode,
        twin="timm.layers.SEModule",
        timings={name: timing(name, ratio, mode) for name, ratio in ratios.items()},
        refused=dict(refused),
    )


def results(*cases, name="memory reuse"):
    return BenchResults(
        date="2026-01-01T00:00:00+00:00",
        seconds=61.0,
        versions={"torch": "2.14.1", "timm": "1.0.31"},
        machine=Machine(processor="A chip", cores=2, threads=1, system="Linux x86_64", memory=2**30, capability="AVX2"),
        rounds=5,
        regimes=(Regime(name=name, allocator="glibc 2.36, which keeps freed memory for reuse", cases=cases),),
    )
