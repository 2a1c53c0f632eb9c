"""The docs' table of the benchmark, made from the lines of its results file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.ram.rows import HERE, ROWS, Row
from benchmarks.tables import PAGE, Record, read_latest, write_between

RESULTS = HERE / "results.jsonl"
BEGIN, END = "<!-- made by python -m benchmarks.ram --table -->", "<!-- end -->"


def read_records(path: Path = RESULTS) -> list[Record]:
    """The results, oldest first; a row that was run again with one seed counts once, by its latest line."""
    latest = read_latest(path, lambda one: (one["row"], one["quick"], one["seed"]))
    return [record for record in latest if record["row"] in ROWS]


def write_table(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Writes the table of the results into its place on a page.

    Raises:
        RunError: the page lacks the markers.
    """
    write_between(page, BEGIN, END, table(read_records(results)))


def table(records: Sequence[Record]) -> str:
    """Both forms of every row in Markdown, and the sentence about `detach_location`."""
    long = [record for record in records if not record["quick"]]
    quick = [record for record in records if record["quick"]]
    return "\n\n".join(
        (
            "### As published",
            _markdown(
                (
                    "images",
                    "network",
                    "published",
                    "test error",
                    "validation error",
                    "epochs",
                    "kept",
                    "seeds",
                    "hours",
                ),
                long,
                lambda row, found: (
                    row.task,
                    row.network,
                    " and ".join(f"{error:g} %" for error in row.published) or "-",
                    *(_results(found, 2) or ("not run", *("-",) * 4)),
                    f"{sum(one['minutes'] for one in found) / 60:.1f}" if found else "-",
                ),
            ),
            "### Quick: two minutes, shipped images, compared with nothing published",
            _markdown(
                ("images", "network", "test error", "validation error", "epochs", "kept", "seeds", "minutes"),
                quick,
                lambda row, found: (
                    row.task,
                    row.network,
                    *(_results(found, 1) or ("not run", *("-",) * 4)),
                    f"{sum(one['minutes'] for one in found) / len(found):.1f}" if found else "-",
                ),
            ),
            *_detached(long, "as published"),
            *_detached(quick, "quick"),
        )
    )


def _markdown(
    columns: Sequence[str], records: Sequence[Record], cells: Callable[[Row, list[Record]], Sequence[str]]
) -> str:
    lines = [columns, ("---", "---", *("---:",) * (len(columns) - 2))]
    lines += [cells(row, _of(row.name, records)) for row in ROWS.values()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of(row: str, records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record["row"] == row]


def _results(found: Sequence[Record], digits: int) -> tuple[str, ...]:
    """Test and validation error, epochs, kept epochs and seeds; errors are means over seeds.

    Test images are scored at the end only, so that an unfinished run has no test error.
    """
    if not found:
        return ()
    val, finished = mean(one["validation_error"] for one in found), all(one["test_error"] is not None for one in found)
    test = f"{mean(one['test_error'] for one in found):.{digits}f} %" if finished else "unfinished"
    kept = sorted({one["kept_epoch"] for one in found})
    return (
        test,
        f"{val:.{digits}f} %",
        str(max(one["epochs"] for one in found)),
        f"{kept[0]} to {kept[-1]}" if len(kept) > 1 else str(kept[0]),
        str(len(found)),
    )


def _detached(records: Sequence[Record], form: str) -> list[str]:
    """Which of both forms of the location's gradient has the lower validation error; nothing unless both were run."""
    entering, stopping = (
        [record["validation_error"] for record in _of(row, records)] for row in ("mnist", "mnist-detached")
    )
    if not entering or not stopping:
        return []
    kept = "false" if mean(entering) <= mean(stopping) else "true"
    apart = max(entering) < min(stopping) or max(stopping) < min(entering)
    doubt = "" if apart else ", though the ranges overlap"
    spread = ", ".join(
        f"{name} {mean(errors):.2f} % ({min(errors):.2f} to {max(errors):.2f})"
        for name, errors in (("`false`", entering), ("`true`", stopping))
    )
    return [
        f"`detach_location` on MNIST, {form}, validation error with its range over the seeds: {spread}; kept on "
        f"validation: `{kept}`{doubt}."
    ]
