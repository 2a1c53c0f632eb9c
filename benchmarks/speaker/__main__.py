"""Trains and tests networks that tell nine speakers by two vowels: `python -m benchmarks.speaker`.

Each arm is a pooling over the steps of the same residual network of 1-D convolutions, trained with several seeds. The
validation recordings are cut from those of training; the test recordings, the set's own, are looked at once, with the
last epoch's weights. A line is appended to the JSON file for each network, and the weights of the steps of one
recording a speaker are drawn.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from benchmarks.speaker.table import RESULTS, write_table
from benchmarks.speaker.vowels import folder_of, write_npz
from regard import models, training
from regard.core.tap import taps
from regard.data import Clips, ClipSource, clip_loader, clip_preprocessing_for, open_sound
from regard.data.clip_preprocessing import ClipPreprocessing
from regard.explanation import observe
from regard.recipes.console import say
from regard.recipes.versions import versions
from regard.training import Recipe

HERE = Path(__file__).parent
ARMS = ("none", "temporal_pool", "frame_gate", "se")
QUICK_EPOCHS = 6
"""The two-minute form; its figures are compared with nothing."""

SEEDS = 5


def settings_of(*, quick: bool) -> dict[str, Any]:
    """The run file: the network and the recipe."""
    settings = yaml.safe_load((HERE / "speaker.yaml").read_text(encoding="utf-8"))
    settings |= {"epochs": QUICK_EPOCHS} if quick else {}
    return {"model": settings.pop("model"), "recipe": Recipe(**settings)}


def create(model: str, arm: str, source: ClipSource, seed: int) -> nn.Module:
    """The network of an arm; networks of one seed share all initial values that they have in common."""
    attention = None if arm == "none" else arm
    sizes = {"num_classes": len(source.classes), "in_channels": source.channels}
    return models.create_clip_network(model, attention=attention, seed=seed, **sizes)


def run(arm: str, seed: int, source: ClipSource, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains and tests one network, and returns what came of it."""
    settings = settings_of(quick=arguments.quick)
    recipe = settings["recipe"]
    preprocessing = clip_preprocessing_for(source)
    net = create(settings["model"], arm, source, seed)
    task = training.Classification(source.classes)
    folder = Path(arguments.runs) / f"{arm}{'-quick' * arguments.quick}-seed{seed}"
    splits, size = source.splits, recipe.batch_size
    done = training.fit(
        net,
        recipe,
        task,
        clip_loader(splits["train"], preprocessing, batch_size=size, seed=seed, shuffle=True, training=True),
        clip_loader(splits["val"], preprocessing, batch_size=64),
        folder=folder,
        seed=seed,
        device=arguments.device,
        progress=False,
        resume=(folder / "last.safetensors").exists(),
    )
    found = training.evaluate(
        net, clip_loader(splits["test"], preprocessing, batch_size=64), task, device=arguments.device
    )
    if taps(net):
        weights = recording_weights(net, splits["test"], preprocessing, len(source.classes))
        if weights:
            draw_weights(weights, source.classes, folder / "weights.png")
    best = next(epoch for epoch in done.history if epoch.epoch == done.kept_epoch)
    return {
        "arm": arm,
        "quick": arguments.quick,
        "seed": seed,
        "test": round(found.scores["accuracy"], 5),
        "test_recordings": found.n,
        "validation": round(best.val["accuracy"], 5) if best.val else None,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "epochs": done.epochs,
        "minutes": round(done.seconds / 60, 2),
        "settings": {"model": settings["model"], "recipe": recipe.to_json()},
        "device": arguments.device,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def recording_weights(net: nn.Module, clips: Clips, preprocessing: ClipPreprocessing, classes: int) -> list[Tensor]:
    """The weights of the steps (t,) of each speaker's first recording; none where the network has no map of frames."""
    first = [int((clips.labels == label).nonzero()[0, 0]) for label in range(classes)]
    chosen = clips.take(torch.tensor(first))
    batch = next(iter(clip_loader(chosen, preprocessing, batch_size=classes)))
    with torch.no_grad(), observe(net.eval(), device="cpu") as maps:
        net(*batch.network_inputs())
    frames = [one.values for one in maps.by_name().values() if one.kind.name == "frame"]
    if not frames:
        return []
    weights = frames[-1].flatten(2).mean(1)
    return [row[there] for row, there in zip(weights, batch.mask, strict=True)]


def draw_weights(weights: list[Tensor], classes: tuple[str, ...], out: Path) -> None:
    """Draws the weight of every step of one recording a class, over that of an equal share."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    for axes, row, name in zip(
        figure.subplots(3, -(-len(weights) // 3), sharey=True).flat, weights, classes, strict=False
    ):
        axes.step(range(len(row)), row.numpy(), where="mid", color="#0b6e8a")
        axes.axhline(float(row.mean()), color="#999999", linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.set_ylabel("weight", fontsize=8)
    figure.savefig(out, dpi=120)


def main(words: list[str]) -> int:
    """Runs the networks that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speaker", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "arms", nargs="*", default=list(ARMS), help=f"mechanisms and none; by default {', '.join(ARMS)}"
    )
    parser.add_argument("--ts", help="the folder of JapaneseVowels_TRAIN.ts; by default that of the package aeon")
    parser.add_argument("--quick", action="store_true", help="one seed and few epochs")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="networks of each arm")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", default="runs/speaker", help="the folder of the runs; a run begun there goes on")
    parser.add_argument("--out", default=str(RESULTS), help="the lines of the results")
    parser.add_argument(
        "--table", action="store_true", help="write the docs' table from results.jsonl, and run nothing"
    )
    arguments = parser.parse_args(words)
    if arguments.table:
        write_table()
        return 0
    training.set_threads(arguments.threads)
    data = write_npz(folder_of(arguments.ts), Path(arguments.runs) / "japanese-vowels.npz")
    source = open_sound(f"sound:{data}")
    for arm in arguments.arms:
        for seed in range(1 if arguments.quick else arguments.seeds):
            record = run(arm, seed, source, arguments)
            out = Path(arguments.out)
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            say(f"{arm}, seed {seed}: test {100 * record['test']:.2f} %, {record['minutes']} minutes.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
