"""The code blocks of a Markdown page, and how they are run: a page is a story, read from top to bottom."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

TINY = {
    "compare": "--model resnet8 --size 24 --images 100 --epochs 1 --seeds 1",
    "train": "--model resnet8 --size 24 --epochs 1",
    "bench": "--shapes 32x6x5 --batches 2 --rounds 1",
    "ablate": "--images 50 --training-images 50 --draws 1",
}
"""Settings of a command that replace the page's, so that it takes seconds."""

NOT_RUN = {
    "git clone": "needs the network",
    "cd ": "follows `git clone`",
    "make": "builds an environment of its own; continuous integration runs it",
    "pip install": "needs the network",
    "tensorboard": "does not end by itself",
}
"""Beginnings of lines that are not run, with the reason."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line where it begins."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", text, re.M | re.S)
    return [
        Block(
            m["language"],
            "\n".join(line.removeprefix(m["indent"]) for line in m["text"].splitlines()),
            text[: m.start()].count("\n") + 1,
        )
        for m in found
    ]


def commands(block: Block) -> Iterator[str]:
    """The lines of a bash block without comments, continued lines joined."""
    for line in block.text.replace("\\\n", " ").splitlines():
        command = re.sub(r"(^|\s)#.*", "", line).strip().removeprefix(".venv/bin/")
        if command:
            yield " ".join(command.split())


def trains(page: Path) -> bool:
    """Returns whether the page takes long: it trains a network, uses one that it trained, or exports one."""
    training = tuple(f"regard {name}" for name in (*TINY, "evaluate", "export", "predict"))
    if "torch.onnx.export" in page.read_text(encoding="utf-8"):
        return True
    return any(c.startswith(training) for b in blocks(page) if b.language == "bash" for c in commands(b))


def shorten(command: str) -> list[str]:
    """The words of a `regard` line after `regard`, with the settings of `TINY` instead of the page's own.

    A network of glimpses or for text is not replaced by a smaller one, and sees its inputs as they are.
    """
    words = shlex.split(command)[1:]
    tiny = shlex.split(TINY.get(words[0], "")) if words else []
    if any(word.startswith(("ram", "tsv:", "captions:")) for word in words):
        pairs = zip(tiny[::2], tiny[1::2], strict=True)
        tiny = [word for pair in pairs if pair[0] not in ("--model", "--size") for word in pair]
    for flag in tiny[::2]:
        if flag in words:
            del words[words.index(flag) : words.index(flag) + 2]
    return words + tiny


def lay_out_images(folder: Path) -> None:
    """Writes the reader's own files in pages: folders of photographs of two classes, an npz file, an image."""
    random = np.random.default_rng(0)
    for number in range(40):
        kind, side = ("cats", "dogs")[number % 2], int(random.integers(24, 40))
        pixels = random.integers(0, 256, (side, side + number % 5, 3), dtype=np.uint8)
        file = folder / "photos" / kind / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    for name in ("cats/1.jpg", "dogs/2.jpg"):
        (folder / "other-photos" / name).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(folder / "other-photos" / name)
    Image.fromarray(pixels).save(folder / "cat.jpg")
    arrays = {
        f"{axis}_{split}": values
        for split, n in (("train", 80), ("test", 20))
        for axis, values in (
            ("x", random.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)),
            ("y", np.arange(n, dtype=np.uint8) % 4),
        )
    }
    np.savez(folder / "mine.npz", **arrays)
