"""The steps of a drawing, and how several become one: a norm under its layer, sums of sums, many alike side by side."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from regard.tracing.drawing import FlowKind

LONGEST = 5
"""Lines in one box."""

WIDEST = 24
"""Letters in a line that has a comma."""

NUMBER = re.compile(r"\d+(?:×\d+)*")

MANY = 3
"""So many alike side by side are drawn as one."""


@dataclass
class Step:
    """A node of the drawing in the making.

    Attributes:
        kind: the kind of node.
        lines: the lines of its text.
        reads: the steps that it reads, with the shape in words where only a part of their result is read.
        tail: whether it is written under the step before.
        size: the shape of its result, in words.
    """

    kind: FlowKind
    lines: list[str]
    reads: list[tuple[str, str]] = field(default_factory=list)
    tail: bool = False
    size: str = ""


def break_line(text: str) -> list[str]:
    """A long text in two lines, broken at its first comma.

    >>> break_line("depthwise 7×7 convolution, dilation 3")
    ['depthwise 7×7 convolution', 'dilation 3']
    """
    first, comma, rest = text.partition(", ")
    return [first, rest] if comma and len(text) > WIDEST else [text]


def merge(steps: dict[str, Step]) -> None:
    """Makes several steps one: what follows a step alone is written into its box, sums of sums become one sum, and many
    alike between the same two are drawn once."""
    _join_boxes(steps)
    _bunch(steps)
    _join_boxes(steps)
    for step in steps.values():
        if step.kind == "map" and "over branches" in step.lines[1]:
            before = steps[step.reads[0][0]]
            before.lines = [re.sub(r"^softmax over \d+$", "softmax over branches", line) for line in before.lines]


def _join_boxes(steps: dict[str, Step]) -> None:
    merged = True
    while merged:
        merged = False
        used = Counter(name for step in steps.values() for name, _ in step.reads)
        for name, step in list(steps.items()):
            for source, part in step.reads:
                if used[source] == 1 and not part and _absorb(steps, name, source):
                    merged = True
                    break
            if merged:
                break


def _absorb(steps: dict[str, Step], name: str, source: str) -> bool:
    """Merges a step with the one before it where a reader would."""
    step, before = steps[name], steps[source]
    if step.kind == "step" and before.kind == "step" and len(step.reads) == 1:
        stacked = step.lines[0].startswith("sum over") and before.lines == ["concatenate"]
        if stacked:
            steps[name] = replace(step, kind="join", lines=["+"], reads=before.reads)
        elif step.tail and len(before.lines) + len(step.lines) <= LONGEST:
            steps[name] = replace(step, lines=_shorten(before.lines + step.lines), reads=before.reads, tail=before.tail)
        else:
            return False
    elif step.kind == before.kind == "join" and step.lines == before.lines and step.lines[0] in "+×":
        reads = [r for r in step.reads if r[0] != source]
        if {n for n, _ in reads} & {n for n, _ in before.reads}:
            return False
        steps[name] = replace(step, reads=before.reads + reads)
    else:
        return False
    del steps[source]
    return True


def _shorten(lines: list[str]) -> list[str]:
    """Shorten the lines: a root of a variance is a standard deviation, its square a variance."""
    short = {("variance", "square root"): "standard deviation", ("standard deviation", "square"): "variance"}
    for (word, then), one in short.items():
        if len(lines) > 1 and lines[-1] == then and lines[-2].startswith(word):
            return [*lines[:-2], lines[-2].replace(word, one)]
    return lines


def _bunch(steps: dict[str, Step]) -> None:
    """Draws one of many chains that lead from one step to another and differ in numbers only."""
    users: dict[str, list[str]] = defaultdict(list)
    for name, step in steps.items():
        for source, _ in step.reads:
            users[source].append(name)
    alike: dict[tuple[str, str, tuple[str, ...]], list[list[str]]] = defaultdict(list)
    for name, step in steps.items():
        if not _is_passing(name, steps, users) or _is_passing(step.reads[0][0], steps, users):
            continue
        chain = [name]
        while _is_passing(users[chain[-1]][0], steps, users):
            chain.append(users[chain[-1]][0])
        words = tuple(NUMBER.sub("#", line) for link in chain for line in [*steps[link].lines, ""])
        alike[step.reads[0][0], users[chain[-1]][0], words].append(chain)
    for (_, target, _), chains in alike.items():
        if len(chains) >= MANY:
            _draw_once(steps, target, chains)


def _is_passing(name: str, steps: dict[str, Step], users: dict[str, list[str]]) -> bool:
    """Returns whether one line leads into a step and one out of it."""
    return steps[name].kind in ("step", "unit") and len(steps[name].reads) == 1 and len(users[name]) == 1


def _draw_once(steps: dict[str, Step], target: str, chains: list[list[str]]) -> None:
    """Keeps the first of the chains, with the numbers of all."""
    many = len(chains)
    for links in zip(*chains, strict=True):
        kept = steps[links[0]]
        kept.lines = [_numbers(lines) for lines in zip(*(steps[link].lines for link in links), strict=True)]
        kept.size = f"{many} of {kept.size}"
    ((source, part),) = steps[chains[0][0]].reads
    steps[chains[0][0]].reads = [(source, f"{many} of {part}" if part else "")]
    gone = {link for chain in chains[1:] for link in chain}
    steps[target].reads = [(n, part) for n, part in steps[target].reads if n not in gone]
    for name in gone:
        del steps[name]


def _numbers(lines: tuple[str, ...]) -> str:
    """Texts that differ in numbers only as one: `convolution of 3, 5, 7`, `1×3, 1×5 convolution`."""
    columns = zip(*(NUMBER.findall(line) for line in lines), strict=True)
    each = iter([", ".join(dict.fromkeys(column)) for column in columns])
    return NUMBER.sub(lambda _: next(each), lines[0])
