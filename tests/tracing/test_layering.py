"""Edges lead down, nothing overlaps, the spine is straight."""

import itertools
import random

import pytest

from regard.tracing.layering import Spacing, place


def graph(seed):
    """A random graph without cycles whose nodes all lie between the first and the last."""
    draw = random.Random(seed)
    names = [str(i) for i in range(draw.randint(3, 14))]
    edges = {(draw.choice(names[:i]), name) for i, name in enumerate(names) if i}
    for _ in range(draw.randint(0, 8)):
        a, b = sorted(draw.sample(range(len(names)), 2))
        edges.add((names[a], names[b]))
    ends = {a for a, _ in edges}
    edges |= {(name, names[-1]) for name in names[:-1] if name not in ends}
    sizes = {name: (draw.uniform(10, 120), draw.uniform(10, 60)) for name in names}
    return sizes, sorted(edges)


def path(edges, first, last):
    after = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    way = [first]
    while way[-1] != last:
        way.append(min(after[way[-1]], key=int))
    return way


@pytest.mark.parametrize("seed", range(25))
def test_the_layout_is_ordered_and_without_overlap(seed):
    sizes, edges = graph(seed)
    spine = path(edges, "0", list(sizes)[-1])
    where = place(sizes, edges, spine)
    assert all(where.centres[a][1] + sizes[a][1] / 2 < where.centres[b][1] - sizes[b][1] / 2 for a, b in edges)
    for a, b in itertools.combinations(sizes, 2):
        (ax, ay), (bx, by) = where.centres[a], where.centres[b]
        apart_across = abs(ax - bx) >= (sizes[a][0] + sizes[b][0]) / 2
        apart_down = abs(ay - by) >= (sizes[a][1] + sizes[b][1]) / 2
        assert apart_across or apart_down, (a, b)
    assert {where.centres[name][0] for name in spine} == {0.0}
    assert all(x >= -1e-6 for name, (x, _) in where.centres.items() if name not in spine or x)
    along = dict(zip(edges, where.routes, strict=True))
    assert all(abs(x) < 1e-6 for pair in itertools.pairwise(spine) for x, _ in along[pair])


@pytest.mark.parametrize("seed", range(25))
def test_a_line_passes_no_box(seed):
    sizes, edges = graph(seed)
    where = place(sizes, edges, path(edges, "0", list(sizes)[-1]))
    for route in where.routes:
        for (x, top), (_, bottom) in zip(route[::2], route[1::2], strict=True):
            for name, (cx, cy) in where.centres.items():
                beside = abs(x - cx) > sizes[name][0] / 2
                assert beside or top >= cy + sizes[name][1] / 2 or bottom <= cy - sizes[name][1] / 2


def test_a_chain_is_straight_and_spaced_as_asked():
    sizes = {name: (30, 10) for name in "abcd"}
    where = place(sizes, [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")], ["a", "d"], Spacing(ranks=20))
    assert where.centres["b"][0] == where.centres["c"][0] > 0
    assert [where.centres[name][1] for name in "abcd"] == [5, 35, 65, 95]
    assert where.bottom == 100


def test_an_order_without_a_crossing_is_found():
    sizes = {name: (10, 10) for name in "xabcdy"}
    edges = [("x", "a"), ("x", "b"), ("a", "d"), ("b", "c"), ("c", "y"), ("d", "y")]
    across = {name: at[0] for name, at in place(sizes, edges).centres.items()}
    assert (across["a"] < across["b"]) == (across["d"] < across["c"])
