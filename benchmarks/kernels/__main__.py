"""Writes the figures of `regard bench` into the docs: `python -m benchmarks.kernels`.

The results are modules.json and networks.json beside this file, written by `regard bench --out`. Their tables go
between the markers of the page, and the plot beside the page's other images. Without results the page says so.
"""

import sys
from pathlib import Path

from benchmarks.tables import write_between
from regard.core.files import write_whole
from regard.recipes.bench_results import AUTO, COMPILED, EAGER, REFERENCE, BenchResults, Case, read_bench
from regard.recipes.bench_summary import MODES, copies_of
from regard.recipes.bench_table import markdown
from regard.report.speed_figure import SpeedRow, describe_speed, draw_speed

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "speed.md"
PLOT = ROOT / "docs" / "assets" / "speed.svg"
TITLES = {"modules": "Single mechanisms", "networks": "Whole networks"}
BEGIN, END = "<!-- made by python -m benchmarks.kernels: {} -->", "<!-- end of {} -->"
COMMANDS = {
    "modules": "regard bench --out-of-the-box --out benchmarks/kernels/modules.json",
    "networks": "regard bench --networks --out benchmarks/kernels/networks.json",
}
NAMES = {AUTO: "regard", EAGER: "the twin", COMPILED: "the twin compiled", REFERENCE: "regard in plain PyTorch"}
NAMESPACES = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '


def read_results(folder: Path = HERE) -> dict[str, BenchResults]:
    """The results that are there, by the name of their file."""
    files = {name: folder / f"{name}.json" for name in TITLES}
    return {name: read_bench(file) for name, file in files.items() if file.exists()}


def section(name: str, results: BenchResults | None) -> str:
    """The text of one section of the page: tables, or that nothing was measured yet."""
    if results is None:
        return f"Not measured yet. To be made by `{COMMANDS[name]}`."
    command = COMMANDS[name].replace(" --out ", f" --rounds {results.rounds} --out ")
    if len(results.regimes) == 1:
        command = command.replace(" --out-of-the-box", "")
    parts = [f"Made by `{command}`.", markdown(results)]
    if rows := speed_rows(results.regimes[0].cases):
        parts.insert(1, f"![{describe_speed(rows)}](../assets/{PLOT.name})")
    return "\n\n".join(parts)


def speed_rows(cases: tuple[Case, ...]) -> dict[str, list[SpeedRow]]:
    """The rows of the plot: times in copies of the input, at the shape and the largest batch that have them."""
    panels = {}
    batch = max((case.shape[0] for case in cases if not case.network), default=0)
    for mode, title in MODES.items():
        chosen = [case for case in cases if case.mode == mode and case.shape[0] == batch and not case.network]
        rows = []
        for mechanism in dict.fromkeys(case.mechanism for case in chosen):
            own = [case for case in chosen if case.mechanism == mechanism]
            copies = {label: copies_of(own, name) for name, label in NAMES.items()}
            known = {label: value for label, value in copies.items() if value is not None}
            rows += [SpeedRow(mechanism, known)] if known else []
        panels |= {title: rows} if rows else {}
    return panels


def write_page(page: Path = PAGE, plot: Path = PLOT, folder: Path = HERE) -> None:
    """Writes the tables into their place on the page, and the plot."""
    results = read_results(folder)
    for name in TITLES:
        write_between(page, BEGIN.format(name), END.format(name), section(name, results.get(name)))
    if "modules" in results and (rows := speed_rows(results["modules"].regimes[0].cases)):
        figure = draw_speed(rows)
        box = '<rect width="100%" height="100%" fill="#ffffff"/>'
        head, _, body = figure.svg.replace("<svg ", NAMESPACES, 1).partition(">")
        write_whole(plot, f"{head}>{box}{body}".encode())


if __name__ == "__main__":
    write_page()
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")
