"""Images of one or two bright squares, with a text about each, for networks that write about images."""

from pathlib import Path

import numpy as np
from PIL import Image

from regard.training import Recipe

QUICK = Recipe(epochs=2, batch_size=16, optimizer="adamw", lr=0.01, clip=1.0)
MODEL = "captioner:backbone='cnn:width=4,stages=2',hidden=8,embedding=4"


def write_captions(folder: Path, count: int = 30) -> str:
    """`captions:FOLDER` of grey images of 8 x 16 pixels: each half is bright or dark, and the text says so."""
    folder.mkdir(parents=True, exist_ok=True)
    random, lines = np.random.default_rng(0), ["file\tcaption"]
    for number in range(count):
        pixels = random.integers(0, 60, (8, 16), dtype=np.uint8)
        bright = [number % 2, number // 2 % 2]
        for half, on in enumerate(bright):
            pixels[:, 8 * half : 8 * half + 8] += np.uint8(150 * on)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        words = " ".join("bright" if on else "dark" for on in bright)
        lines += [f"{number:02d}.png\t{words}"] + ([f"{number:02d}.png\tit is {words}"] if number % 5 == 0 else [])
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"captions:{folder}"
