"""Trains and tests networks that find the frames that matter: `python -m benchmarks.frames`.

Each network is trained on clips of 20 to 40 frames, of which 3 show a digit, and tested on such clips, and on clips of
100 and of 300 frames with the digit in 3. Only the epoch is chosen, on validation clips. A frame is pointed at where
its weight is the greatest of its clip. A line is appended to the JSON file for each network.
"""

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from benchmarks.frames.clips import LENGTHS, DigitClips, clip_batches, shown_frames
from benchmarks.frames.table import RESULTS, write_table
from regard import models, training
from regard.core.devices import resolve_device
from regard.core.tap import taps
from regard.data import ArrayImages, open_source
from regard.explanation import observe
from regard.recipes.console import say
from regard.recipes.versions import versions
from regard.training import Recipe

HERE = Path(__file__).parent
ARMS = ("none", "temporal_pool", "frame_gate")
LONGER = (100, 300)
TESTED = 1000
AT_ONCE = 2000
"""Frames in one batch that is tested."""

QUICK = {"clips": 400, "epochs": 3, "tested": 100}
"""The two-minute form: few clips of the shipped digits; its figures are compared with nothing."""


def settings_of(*, quick: bool, epochs: int | None = None) -> dict[str, Any]:
    """The run file: the network, the number of clips and the recipe."""
    settings = yaml.safe_load((HERE / "frames.yaml").read_text(encoding="utf-8"))
    settings |= {name: QUICK[name] for name in ("clips", "epochs")} if quick else {}
    settings |= {"epochs": epochs} if epochs is not None else {}
    own = {name: settings.pop(name) for name in ("model", "clips")}
    return {**own, "recipe": Recipe(**settings)}


def clips_of(mnist: str, split: str, *, count: int, quick: bool) -> DigitClips:
    """The clips of a split; those to be tested are drawn from test images."""
    images = open_source("mnist-mini" if quick else f"npz:{Path(mnist).expanduser()}").splits[split]  # type: ignore[index]
    assert isinstance(images, ArrayImages)
    return DigitClips(images, split, LENGTHS, count)


def run(arm: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains and tests one network, and returns what came of it."""
    settings = settings_of(quick=arguments.quick, epochs=arguments.epochs)
    recipe, tested = settings["recipe"], QUICK["tested"] if arguments.quick else TESTED
    parts = {
        split: clips_of(arguments.mnist, split, count=count, quick=arguments.quick)
        for split, count in (("train", settings["clips"]), ("val", tested), ("test", tested))
    }
    net = create(settings["model"], arm, arguments.seed)
    task = training.Classification([str(digit) for digit in range(10)])
    folder = Path(arguments.runs) / f"{arm}{'-quick' * arguments.quick}-seed{arguments.seed}"
    batches = clip_batches(parts["train"], batch_size=recipe.batch_size, seed=arguments.seed, shuffle=True)
    done = training.fit(
        net,
        recipe,
        task,
        batches,
        clip_batches(parts["val"], batch_size=AT_ONCE // LENGTHS[1]),
        folder=folder,
        seed=arguments.seed,
        device=arguments.device,
        resume=(folder / "last.safetensors").exists(),
    )
    results = {
        name: score(net, clips, arguments.device)
        for name, clips in {
            "trained": parts["test"],
            **{str(frames): parts["test"].with_length(frames) for frames in LONGER},
        }.items()
    }
    best = next(epoch for epoch in done.history if epoch.epoch == done.kept_epoch)
    return {
        "arm": arm,
        "quick": arguments.quick,
        "seed": arguments.seed,
        "test": results,
        "validation": round(best.val["accuracy"], 5) if best.val else None,
        "clips": {split: len(clips) for split, clips in parts.items()},
        "epochs": done.epochs,
        "kept_epoch": done.kept_epoch,
        "minutes": round(done.seconds / 60, 1),
        "settings": {"model": settings["model"], "recipe": recipe.to_json()},
        "device": arguments.device,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def create(model: str, arm: str, seed: int) -> nn.Module:
    """The network of an arm; networks of one seed share all initial values that they have in common."""
    attention = None if arm == "none" else arm
    return models.create_clip_network(model, num_classes=10, in_channels=1, attention=attention, seed=seed)


@torch.no_grad()
def score(net: nn.Module, clips: DigitClips, device: str) -> dict[str, float | None]:
    """Accuracy, and the share of clips of which a frame with the digit has the greatest weight."""
    net.eval().to(resolve_device(device))
    home = next(net.parameters()).device
    right, peaks = [], []
    for batch in clip_batches(clips, batch_size=max(1, AT_ONCE // clips.lengths[1])):
        with observe(net) if taps(net) else nullcontext(None) as maps:
            logits = net(*(given.to(home) for given in batch.network_inputs()))
        right.append((logits.argmax(1).cpu() == batch.labels).float())
        peaks += [] if maps is None else [frame_weights(maps.by_name()).masked_fill(~batch.mask, -1).argmax(1)]
    net.cpu()
    known = zip(torch.cat(peaks).tolist(), shown_frames(clips), strict=True) if peaks else ()
    pointed = [peak in shown for peak, shown in known]
    return {
        "accuracy": round(torch.cat(right).mean().item(), 5),
        "pointing": round(sum(pointed) / len(pointed), 5) if pointed else None,
    }


def frame_weights(maps: Any) -> Tensor:
    """(b, t) the weights of the frames, averaged over heads, of the last map of frames."""
    found = [one.values for one in maps.values() if one.kind.name == "frame"][-1]
    return found.flatten(2).mean(1).cpu()


def main(words: list[str]) -> int:
    """Runs the networks that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frames", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "arms", nargs="*", default=list(ARMS), help=f"mechanisms and none; by default {', '.join(ARMS)}"
    )
    parser.add_argument("--mnist", default="~/.cache/regard-data/mnist.npz", help="the full set as an npz file")
    parser.add_argument("--quick", action="store_true", help="two minutes on few clips of shipped digits")
    parser.add_argument("--epochs", type=int, help="instead of the run file's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", default="runs/frames", help="the folder of the runs; a run begun there goes on")
    parser.add_argument("--out", default=str(RESULTS), help="the lines of the results")
    parser.add_argument(
        "--table", action="store_true", help="write the docs' table from results.jsonl, and run nothing"
    )
    arguments = parser.parse_args(words)
    if arguments.table:
        write_table()
        return 0
    training.set_threads(arguments.threads)
    for arm in arguments.arms:
        record = run(arm, arguments)
        out = Path(arguments.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        say(
            f"{arm}: {record['test']}; epoch {record['kept_epoch']} of {record['epochs']}, {record['minutes']} minutes."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
