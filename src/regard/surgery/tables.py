"""Plain tables of text."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their heads, columns of numbers to the right.

    >>> print(table(("path", "channels"), [("a", 64), ("bb", 8)]))
    path  channels
    a           64
    bb           8
    """
    cells = [tuple(head), *(tuple(_text(cell) for cell in row) for row in rows)]
    right = [all(_is_number(row[i]) for row in cells[1:]) and len(cells) > 1 for i in range(len(head))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = (
        "  ".join(cell.rjust(width) if on_right else cell.ljust(width)
                  for cell, width, on_right in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    )  # fmt: skip
    return "\n".join(lines)


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _is_number(text: str) -> bool:
    return text.replace(",", "").isdigit() or not text
