"""The cost of each arm of a comparison, measured in turns with the plain network while nothing else runs."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from regard import cost, models, report
from regard.core.coding import decode, encode
from regard.core.files import write_whole
from regard.recipes.arms import PLAIN, build_arm, is_control, title
from regard.recipes.console import console
from regard.recipes.text_table import counted_products
from regard.recipes.trial import Job, open_table

COSTS_FILE = "costs.json"
INFERENCE_BATCH = 32
ROUNDS = 9


def measure_arms(jobs: Sequence[Job], device: torch.device) -> tuple[report.Arm, ...]:
    """Counts and times every arm, or reads the earlier measurement of these arms with this device and threads.

    In float32, with the recipe's batch size and memory format; a training step is one of plain SGD.

    Args:
        jobs: one of each arm, the plain network first.
        device: device to measure on.

    Returns:
        The arms in the order of the jobs.
    """
    folder = jobs[0].folder
    under = {"arms": [job.arm for job in jobs], "device": str(device), "threads": torch.get_num_threads()}
    kept = _read_costs(folder / COSTS_FILE, under)
    if kept:
        return kept
    with console.status("measuring the cost of each network ..."):
        arms = _measure(jobs, device)
    record = {"measured": under, "arms": [encode(arm) for arm in arms]}
    write_whole(folder / COSTS_FILE, json.dumps(record, indent=1).encode())
    return arms


def _read_costs(path: Path, under: dict[str, object]) -> tuple[report.Arm, ...] | None:
    try:
        record = json.loads(path.read_text())
        if record["measured"] == under:
            return tuple(decode(report.Arm, arm, str(path)) for arm in record["arms"])
    except (OSError, ValueError, KeyError):
        pass
    return None


def _measure(jobs: Sequence[Job], device: torch.device) -> tuple[report.Arm, ...]:
    design = jobs[0].design
    table = open_table(design)
    backbone = table.backbone(design.model)
    layout = torch.channels_last if design.recipe.channels_last else torch.contiguous_format
    nets = {
        job.arm: table.measurable(build_arm(job.arm, backbone, 0, reference_parameters=job.reference_parameters))
        .to(device)
        .to(memory_format=layout)
        for job in jobs
    }
    example, batch, step = table.examples((1, INFERENCE_BATCH, design.recipe.batch_size), device)
    inference = cost.time_in_turns(nets, batch, what="inference", rounds=ROUNDS)
    steps = cost.time_in_turns(nets, step, what="training", rounds=ROUNDS)
    memory = {arm: cost.peak_memory(net, step) for arm, net in nets.items()}
    return tuple(
        report.Arm(
            spec=arm,
            name=title(arm),
            is_control=is_control(arm),
            parameters=cost.parameters(net),
            macs=_count_macs(net, example, text=backbone.kind in ("text", "caption")),
            sites=len(models.describe(net).sites) if arm != PLAIN else 0,
            inference=_to_report(inference[arm]),
            training=_to_report(steps[arm]),
            memory=report.Memory(bytes=memory[arm], ratio=memory[arm] / memory[PLAIN]),
        )
        for arm, net in nets.items()
    )


def _count_macs(net: nn.Module, example: Tensor, *, text: bool) -> int:
    """Returns the multiply-adds; recurrent layers only show theirs where they are made of products."""
    with counted_products() if text else nullcontext():
        return cost.macs(net, example)


def _to_report(measured: cost.Timing) -> report.Timing:
    return report.Timing(
        milliseconds=1000 * measured.seconds,
        quartiles=(1000 * measured.low, 1000 * measured.high),
        ratio=measured.ratio,
        ratio_quartiles=(measured.ratio_low, measured.ratio_high),
        batch=measured.images,
    )
