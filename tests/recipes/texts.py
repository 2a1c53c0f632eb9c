"""Words that are to be written backwards, for networks for text."""

from pathlib import Path

from regard.training import Recipe

QUICK = Recipe(epochs=2, batch_size=16, optimizer="adamw", lr=0.01, clip=1.0)
MODEL = "seq2seq:hidden=12,embedding=8"


def write_words(path: Path, count: int = 120) -> str:
    """`tsv:PATH` of words of three letters, each with the same word backwards."""
    letters = "abcde"
    words = [a + b + c for a in letters for b in letters for c in letters][:count]
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    return f"tsv:{path}"
