"""Trains and tests rows of the table: `python -m benchmarks.sequences ROW ...`, or `all` for every row.

Each row is a run file beside this one, fixed beforehand, trained with attention and without it. Only the epoch is
chosen, on validation texts; the test texts are looked at once, with the kept epoch's weights. A line is appended to
the JSON file for each network. The row `length` trains nothing: it sorts what the rows `dates` and `phonemes` got
wrong by the length of the source. Three alignments are drawn for each network that has any.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.sequences.sources import SOURCES
from benchmarks.sequences.table import write_table
from regard import training
from regard.core.epochs import Epoch
from regard.data import Reading, text_loader
from regard.recipes.console import say
from regard.recipes.explain_text import explain_text
from regard.recipes.ledger import record_test_access
from regard.recipes.texts import BATCH, LoadedText, load_text_network, open_pairs, text_task
from regard.recipes.train import train
from regard.recipes.versions import versions
from regard.training import Recipe
from regard.training.text_scores import exact, score_texts

HERE = Path(__file__).parent
ROWS = ("dates", "phonemes", "translation")
LENGTH = "length"
SORTED_BY_LENGTH = ("dates", "phonemes")
ARMS = ("additive", "none")
BEAMS = {"dates": 1, "phonemes": 5, "translation": 5}
QUICK_EPOCHS = 3
"""The two-minute form: few texts, few epochs; its figures are compared with nothing."""
BINS = 5


def settings_of(row: str, data: str, arm: str, *, quick: bool, epochs: int | None) -> dict[str, Any]:
    """The arguments of `train`: the row's run file with its data and its attention."""
    settings = yaml.safe_load((HERE / f"{row}.yaml").read_text(encoding="utf-8"))
    wanted = QUICK_EPOCHS if quick else epochs
    if wanted is not None:
        settings["epochs"] = wanted
    model = settings.pop("model")
    attention = None if arm == "none" else arm
    return {"data": data, "model": model, "attention": attention, "recipe": Recipe(**settings)}


def run(row: str, arm: str, arguments: argparse.Namespace) -> None:
    """Trains and tests one network, and appends what came of it."""
    data = SOURCES[row](_folder(arguments) / "data", Path(arguments.data).expanduser(), quick=arguments.quick)
    settings = settings_of(row, data, arm, quick=arguments.quick, epochs=arguments.epochs)
    folder = _run_folder(row, arm, arguments)
    begun = (folder / "settings.yaml").exists()
    kept = {"resume": str(folder)} if begun else {"out": str(folder), "seed": arguments.seed, **settings}
    trained = train(**kept, device=arguments.device, threads=arguments.threads)
    loaded = load_text_network(folder)
    texts, references, sources = _test(loaded, row, folder, arguments)
    scores = score_texts(loaded.code.target.units, texts, references)
    history = [Epoch.from_json(epoch) for epoch in loaded.metadata["history"]]
    record = {
        "row": row,
        "arm": arm,
        "quick": arguments.quick,
        "seed": arguments.seed,
        "test": {score.name: round(score.value, 5) for score in scores},
        "test_texts": len(texts),
        "beams": BEAMS[row],
        "validation": trained.scores.values(),
        "epochs": trained.epochs,
        "kept_epoch": trained.kept_epoch,
        "minutes": round(trained.seconds / 60, 1),
        "last_validation": [epoch.val.chosen.value for epoch in history[-5:] if epoch.val],
        "by_length": by_length(loaded, texts, references, sources),
        "settings": {"model": settings["model"], "recipe": settings["recipe"].to_json()},
        "device": arguments.device,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }
    _append(arguments, record)
    say(f"{row}, {arm}: {', '.join(map(str, scores))}; epoch {trained.kept_epoch} of {trained.epochs}.")
    if arm != "none":
        for number in range(3):
            source = sources[number * len(sources) // 3]
            explain_text(loaded, source, beams=BEAMS[row]).save(folder / "alignments" / f"{number + 1}")


def progress(row: str, arm: str, arguments: argparse.Namespace) -> None:
    """Appends the best epoch of a run that is under way, on validation texts: nothing is tested."""
    path = _run_folder(row, arm, arguments) / "epochs.csv"
    epochs = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    if not epochs:
        say(f"{row}, {arm}: no epoch is finished.")
        return
    first = "phoneme_error" if row == "phonemes" else "exact_match" if row == "dates" else "bleu"
    best = (min if first == "phoneme_error" else max)(epochs, key=lambda epoch: float(epoch[f"val_{first}"]))
    validation = {name[4:]: float(value) for name, value in best.items() if name.startswith("val_")}
    record = {
        "row": row,
        "arm": arm,
        "quick": arguments.quick,
        "seed": arguments.seed,
        "test": None,
        "validation": validation,
        "epochs": len(epochs),
        "kept_epoch": int(best["epoch"]),
        "minutes": round(sum(float(epoch["seconds"]) for epoch in epochs) / 60, 1),
        "versions": versions(),
    }
    _append(arguments, record)
    say(f"{row}, {arm}: {len(epochs)} epochs, the best {validation}.")


def by_length(
    loaded: LoadedText, texts: Sequence[str], references: Sequence[tuple[str, ...]], sources: Sequence[str]
) -> list[dict[str, Any]]:
    """The scores of five parts of the texts, equally many in each, from the shortest sources to the longest."""
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    parts = [order[n * len(order) // BINS : (n + 1) * len(order) // BINS] for n in range(BINS)]
    return [
        {
            "characters": [len(sources[part[0]]), len(sources[part[-1]])],
            **{
                score.name: round(score.value, 5)
                for score in score_texts(
                    loaded.code.target.units, [texts[i] for i in part], [references[i] for i in part]
                )
            },
        }
        for part in parts
        if part
    ]


def lengths(row: str, arguments: argparse.Namespace) -> None:
    """Appends how wrong each network of a row is at each length of the source, of those that were trained."""
    for arm in arguments.arms:
        folder = _run_folder(row, arm, arguments)
        if not (folder / "weights.safetensors").exists():
            say(f"length: there is no trained {row} with {arm}; run the row {row} first.", style="yellow")
            continue
        loaded = load_text_network(folder)
        texts, references, sources = _test(loaded, row, folder, arguments)
        right = exact(texts, references)
        table = []
        for least in range(0, max(map(len, sources)) + 1, 4):
            part = [right[i] for i, source in enumerate(sources) if least <= len(source) < least + 4]
            if len(part) >= 20:
                table.append({"characters": [least, least + 3], "texts": len(part), "wrong": 1 - sum(part) / len(part)})
        _append(arguments, {"row": LENGTH, "of": row, "arm": arm, "quick": arguments.quick, "wrong": table})
        shown = ", ".join(f"{e['characters'][0]}-{e['characters'][1]}: {100 * e['wrong']:.1f} %" for e in table)
        say(f"length, {row}, {arm}: wrong by characters of the source: {shown}")


@torch.no_grad()
def _test(
    loaded: LoadedText, row: str, folder: Path, arguments: argparse.Namespace
) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
    """The answers to all test texts, what is right, and the texts."""
    assert loaded.record.data is not None
    pairs = open_pairs(loaded.record.data.name, Reading()).splits["test"]
    record_test_access(folder, command="benchmark", what=row, images=len(pairs))
    task = text_task(loaded.code, beams=BEAMS[row])
    batches = text_loader(pairs, loaded.code, batch_size=BATCH)
    found = training.evaluate(loaded.net, batches, task, device=arguments.device)
    texts = [text for said in found.outputs for text in task.texts(said)]
    numbers = [int(i) for batch in found.batches for i in batch.indices]
    return texts, [pairs.references[i] for i in numbers], [pairs.sources[i] for i in numbers]

    return Reading()


def _folder(arguments: argparse.Namespace) -> Path:
    return Path(arguments.runs) / ("quick" if arguments.quick else "full")


def _run_folder(row: str, arm: str, arguments: argparse.Namespace) -> Path:
    return _folder(arguments) / f"{row}-{arm}-seed{arguments.seed}"


def _append(arguments: argparse.Namespace, record: dict[str, Any]) -> None:
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def main(words: list[str]) -> int:
    """Runs the rows that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sequences", description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help=f"{', '.join((*ROWS, LENGTH))}, or all")
    parser.add_argument("--data", default="~/.cache/regard-data", help="where cmudict.tsv and en_de.tsv are")
    parser.add_argument("--quick", action="store_true", help="two minutes on few texts")
    parser.add_argument("--epochs", type=int, help="instead of the run file's")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), help="mechanisms, and none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", default="runs/sequences", help="the folder of the runs; a run begun there goes on")
    parser.add_argument("--out", default="runs/sequences/results.jsonl")
    parser.add_argument("--progress", action="store_true", help="note how far the rows are, without training")
    parser.add_argument("--table", action="store_true", help="write the docs' table from results.jsonl")
    arguments = parser.parse_args(words)
    if arguments.table:
        write_table()
    elif not arguments.rows or set(arguments.rows) - {*ROWS, LENGTH, "all"}:
        parser.error(f"name rows, of {', '.join((*ROWS, LENGTH, 'all'))}, or --table")
    for row in (*ROWS, LENGTH) if "all" in arguments.rows else arguments.rows:
        if row == LENGTH:
            for one in SORTED_BY_LENGTH:
                lengths(one, arguments)
            continue
        for arm in arguments.arms:
            (progress if arguments.progress else run)(row, arm, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
