"""A source of clips, and one of series, in which a single frame, or a few steps, say the class."""

import numpy as np

from regard.training import Recipe

MODEL = "clipnet:backbone='cnn:width=8,stages=2'"
QUICK = Recipe(epochs=4, batch_size=30, optimizer="adamw", lr=0.02, weight_decay=0.01)
COUNTS = {"train": 240, "val": 24, "test": 24}


def write_clips(folder):
    """A bar, a line or a square in one frame of 3 to 6, in noise; returns the source's name."""
    random, arrays = np.random.default_rng(0), {"classes": np.array(["bar", "line", "square"])}
    shapes = ((slice(2, 10), slice(5, 7)), (slice(5, 7), slice(2, 10)), (slice(2, 10), slice(2, 10)))
    for split, count in COUNTS.items():
        labels, lengths = np.arange(count) % 3, random.integers(3, 7, count)
        clips = random.integers(0, 50, (count, 6, 12, 12), dtype=np.uint8)
        for clip, label, length in zip(clips, labels, lengths, strict=True):
            clip[random.integers(length)][shapes[label]] = 255
            clip[length:] = 0
        arrays |= {f"x_{split}": clips, f"y_{split}": labels, f"lengths_{split}": lengths}
    np.savez(folder / "shapes.npz", **arrays)
    return f"clips:{folder / 'shapes.npz'}"


def write_series(folder):
    """Five great values in one of three channels of noise; returns the source's name."""
    random, arrays = np.random.default_rng(0), {}
    for split, count in COUNTS.items():
        labels, lengths = np.arange(count) % 3, random.integers(12, 25, count)
        series = random.normal(size=(count, 3, 24)).astype(np.float32)
        for values, label, length in zip(series, labels, lengths, strict=True):
            start = random.integers(length - 5)
            values[label, start : start + 5] += 4
        arrays |= {f"x_{split}": series, f"y_{split}": labels, f"lengths_{split}": lengths}
    np.savez(folder / "series.npz", **arrays)
    return f"sound:{folder / 'series.npz'}"
