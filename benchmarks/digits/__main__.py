"""Trains and tests the image-to-sequence network on rows of digits: `python -m benchmarks.digits`.

Every arm has the same images, initial values and settings, which stand in `settings.yaml`. Only the epoch is
chosen, on validation images; the test images are looked at once. A line is appended to the JSON file for each arm.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from benchmarks.digits.rows import HEIGHT, MOST, WIDTH, DigitRows, captions
from benchmarks.digits.table import ARMS, RESULTS, write_table
from regard import models, training
from regard.core.batch import CaptionBatch
from regard.core.run_record import InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.data import CaptionCode, CaptionSource, caption_loader, open_source, preprocessing_for
from regard.data.account import Account
from regard.data.captions import captions_fingerprint
from regard.explanation import look
from regard.recipes.caption_maps import step_maps
from regard.recipes.console import say
from regard.recipes.ledger import record_test_access
from regard.recipes.versions import versions
from regard.training import Recipe

HERE = Path(__file__).parent
QUICK = {"data": "mnist-mini", "train": 2000, "val": 200, "test": 300, "epochs": 3}
"""The two-minute form: the shipped digits, few rows; its figures are compared with nothing."""
FULL = {"train": 6000, "val": 500, "test": 2000}


def open_rows(data: str, counts: dict[str, int], seed: int) -> CaptionSource:
    """The rows of digits of each split, from images of the same split of `data`."""
    digits = open_source(data).splits
    parts = {
        split: captions(DigitRows(digits[split], counts[split], seed=seed, split=split))  # type: ignore[index, arg-type]
        for split in ("train", "val", "test")
    }
    sizes = {split: len(part) for split, part in parts.items()}
    return CaptionSource(
        name="rows of digits",
        splits=parts,  # type: ignore[arg-type]
        channels=1,
        target_units="characters",
        symbols=300,
        limit=MOST,
        fingerprint=captions_fingerprint(parts),  # type: ignore[arg-type]
        account=Account(sum(sizes.values()), sizes, unit="image"),
    )


def settings_of(arm: str, *, quick: bool, epochs: int | None) -> tuple[NetworkRecord, Recipe]:
    """The network and the recipe of an arm."""
    settings = yaml.safe_load((HERE / "settings.yaml").read_text(encoding="utf-8"))
    wanted = QUICK["epochs"] if quick else epochs
    if wanted is not None:
        settings["epochs"] = wanted
    network = NetworkRecord(name=settings.pop("model"), options={"attention": ARMS[arm]})
    return network, Recipe(**settings)


def run(arm: str, arguments: argparse.Namespace) -> None:
    """Trains and tests one arm, and appends what came of it."""
    quick = arguments.quick
    source = open_rows(_data(arguments), QUICK if quick else FULL, arguments.seed)  # type: ignore[arg-type]
    code = CaptionCode.learn(source, preprocessing_for(source.images()))
    network, recipe = settings_of(arm, quick=quick, epochs=arguments.epochs)
    net = models.create_captioner(
        network.name, symbols=len(code.target), in_channels=1, attention=ARMS[arm], seed=arguments.seed
    )
    folder = _folder(arm, arguments)
    task = training.Sequences.trained_by(recipe, code.target, longest=code.longest, images=True)
    train, val, test = (source.splits[split] for split in ("train", "val", "test"))
    fit = training.fit(
        net,
        recipe,
        task,
        caption_loader(train, code, batch_size=recipe.batch_size, seed=arguments.seed, shuffle=True),
        caption_loader(val, code, batch_size=250),
        folder=folder,
        seed=arguments.seed,
        device=arguments.device,
        resume=True,
        run=_record(network, code, task),
    )
    record_test_access(folder, command="benchmark", what=arm, images=len(test))
    found = training.evaluate(net, caption_loader(test, code, batch_size=250), task, device=arguments.device)
    pointing = point(net, test.images, caption_loader(test, code, batch_size=250))  # type: ignore[arg-type]
    _append(
        arguments,
        {
            "arm": arm,
            "quick": quick,
            "seed": arguments.seed,
            "test": {score.name: round(score.value, 5) for score in found.scores},
            "pointing": pointing,
            "test_images": found.n,
            "validation": fit.history[fit.kept_epoch - 1].val.values(),  # type: ignore[union-attr]
            "epochs": fit.epochs,
            "kept_epoch": fit.kept_epoch,
            "minutes": round(fit.seconds / 60, 1),
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "settings": {"model": network.name, "attention": ARMS[arm], "recipe": recipe.to_json()},
            "device": arguments.device,
            "threads": torch.get_num_threads(),
            "versions": versions(),
        },
    )
    shown = "no map" if pointing is None else f"{100 * pointing:.1f} % of steps on the digit"
    say(f"{arm}: exact match {100 * found.scores['exact_match']:.1f} %, {shown}, epoch {fit.kept_epoch}.")


def _record(network: NetworkRecord, code: CaptionCode, task: "training.Sequences") -> RunRecord:
    """The record of a run, by which its weights can be loaded by name."""
    kept = task.to_json()
    return RunRecord(
        network=network,
        input=InputRecord(kind="image", options=code.preprocessing.to_json()),
        task=TaskRecord(name=kept["name"], options=kept["options"]),
    )


@torch.no_grad()
def point(net: nn.Module, rows: DigitRows, batches: Any) -> float | None:
    """The share of digits at whose step the map is greatest within the digit's box; None without a map.

    The true digits are read to the network, so that steps and digits belong together.
    """
    hits, digits = 0, 0
    if net.look is None:  # type: ignore[union-attr]
        return None
    grid = net.grid(HEIGHT, WIDTH)  # type: ignore[operator]
    for batch in batches:
        weights = _weights(net, batch)
        boxes = rows.boxes(batch.indices.tolist())
        there = (rows.digits(batch.indices.tolist()) >= 0)[:, : weights.shape[1]]
        right = on_box(weights[:, :MOST], boxes[:, : weights.shape[1]], grid)
        hits, digits = hits + int((right & there).sum()), digits + int(there.sum())
    return round(hits / digits, 5)


def _weights(net: nn.Module, batch: CaptionBatch) -> Tensor:
    given = batch.target[:, :-1]
    looks = look(net, (batch.images, given), device="cpu")
    (weights,) = step_maps(looks.maps, given.shape[1]).values()
    return weights


def on_box(weights: Tensor, boxes: Tensor, grid: tuple[int, int]) -> Tensor:
    """(b, t) True where the centre of the position with the greatest weight lies in the box of that step.

    >>> on_box(torch.tensor([[[0.1, 0.9]]]), torch.tensor([[[64, 0, 128, 40]]]), (1, 2))
    tensor([[True]])
    """
    best = weights.argmax(2)
    y = (best // grid[1] + 0.5) * HEIGHT / grid[0]
    x = (best % grid[1] + 0.5) * WIDTH / grid[1]
    left, top, right, bottom = boxes.unbind(2)
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def progress(arm: str, arguments: argparse.Namespace) -> None:
    """Appends the best epoch of an arm that is under way, on validation images: nothing is tested."""
    path = _folder(arm, arguments) / "epochs.csv"
    epochs = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    if not epochs:
        say(f"{arm}: no epoch is finished.")
        return
    best = max(epochs, key=lambda epoch: float(epoch["val_exact_match"]))
    _append(
        arguments,
        {
            "arm": arm,
            "quick": arguments.quick,
            "seed": arguments.seed,
            "test": None,
            "pointing": None,
            "validation": {name[4:]: float(value) for name, value in best.items() if name.startswith("val_")},
            "epochs": len(epochs),
            "kept_epoch": int(best["epoch"]),
            "minutes": round(sum(float(epoch["seconds"]) for epoch in epochs) / 60, 1),
            "versions": versions(),
        },
    )


def _data(arguments: argparse.Namespace) -> str:
    return str(QUICK["data"]) if arguments.quick else f"npz:{Path(arguments.mnist).expanduser()}"


def _folder(arm: str, arguments: argparse.Namespace) -> Path:
    return Path(arguments.runs) / ("quick" if arguments.quick else "full") / f"{arm}-seed{arguments.seed}"


def _append(arguments: argparse.Namespace, record: dict[str, Any]) -> None:
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def main(words: list[str]) -> int:
    """Runs the arms that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits", description=__doc__.partition("\n")[0])
    parser.add_argument("arms", nargs="*", default=list(ARMS), help=f"of {', '.join(ARMS)}; all by default")
    parser.add_argument("--mnist", default="~/.cache/regard-data/mnist.npz", help="the full set, as an npz file")
    parser.add_argument("--quick", action="store_true", help="two minutes on the shipped digits")
    parser.add_argument("--epochs", type=int, help="instead of those of settings.yaml")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", default="runs/digits", help="the folder of the runs; a run begun there goes on")
    parser.add_argument("--out", default=str(RESULTS))
    parser.add_argument("--progress", action="store_true", help="note how far the arms are, without training")
    parser.add_argument("--table", action="store_true", help="write the docs' table from the results, nothing else")
    arguments = parser.parse_args(words)
    training.set_threads(arguments.threads)
    unknown = set(arguments.arms) - set(ARMS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))} is no arm: name some of {', '.join(ARMS)}")
    if arguments.table:
        write_table()
        return 0
    for arm in arguments.arms:
        (progress if arguments.progress else run)(arm, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
