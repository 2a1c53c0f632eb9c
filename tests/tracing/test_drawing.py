"""A flow is drawn as well-formed SVG that says everything, in the colours of the page."""

import re
from xml.etree import ElementTree

import pytest

from regard.tracing.drawing import Flow, FlowEdge, FlowNode, draw_flow

SVG = "{http://www.w3.org/2000/svg}"


def gate(**changes):
    nodes = (
        FlowNode(name="x", kind="features", lines=("x", "c × h × w")),
        FlowNode(name="mean", kind="step", lines=("mean over positions", "a < b & c")),
        FlowNode(name="unit", kind="unit", lines=("unit",)),
        FlowNode(name="w", kind="learned", lines=("learned", "c")),
        FlowNode(name="sum", kind="join", lines=("+",)),
        FlowNode(name="map", kind="map", lines=("map gate", "over channels", "c × 1 × 1")),
        FlowNode(name="times", kind="join", lines=("×",)),
        FlowNode(name="y", kind="features", lines=("y",)),
    )
    pairs = ["x mean c", "mean unit ", "unit sum ", "w sum ", "sum map ", "x times ", "map times part", "times y "]
    edges = tuple(
        FlowEdge(start=start, end=end, size=size, part=size == "part")
        for start, end, size in (pair.split(" ") for pair in pairs)
    )
    settings = {"title": "se", "description": 'What "se" does', "nodes": nodes, "edges": edges} | changes
    return Flow(spine=("x", "times", "y"), **settings)


def parse(svg):
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def texts(tree):
    return ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]


def test_every_line_and_size_is_drawn_once():
    flow = gate()
    tree = parse(draw_flow(flow))
    said = [line for node in flow.nodes for line in node.lines] + [edge.size for edge in flow.edges if edge.size]
    assert sorted(texts(tree)) == sorted(said)
    assert tree.attrib["aria-label"] == flow.description
    assert tree.find(f"{SVG}title").text == "se"


def test_each_edge_has_an_arrow():
    flow = gate()
    paths = list(parse(draw_flow(flow)).iter(f"{SVG}path"))
    assert len([p for p in paths if p.get("fill") == "none"]) == len(flow.edges)
    assert len([p for p in paths if p.get("fill") != "none"]) == len(flow.edges)


def test_in_a_page_only_maps_are_coloured():
    svg = draw_flow(gate())
    assert set(re.findall(r'(?:fill|stroke)="(#\w+)"', svg)) == {"#e0762c"}
    assert "<style" not in svg
    assert svg.count("\n\n") == 0, "a blank line would end the HTML block in a page"


def test_a_file_has_light_and_dark_colours():
    tree = ElementTree.fromstring(draw_flow(gate(), alone=True))
    (style,) = tree.iter(f"{SVG}style")
    assert "prefers-color-scheme:dark" in style.text


def test_everything_lies_within_the_image():
    tree = parse(draw_flow(gate()))
    left, top, width, height = map(float, tree.attrib["viewBox"].split())
    for text in tree.iter(f"{SVG}text"):
        assert left <= float(text.attrib["x"]) <= left + width
        assert top <= float(text.attrib["y"]) <= top + height
    for box in tree.iter(f"{SVG}rect"):
        assert left <= float(box.attrib["x"])
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= left + width


def test_a_units_inside_is_drawn_beside():
    inside = gate(title="residual unit")
    alone, both = parse(draw_flow(gate())), parse(draw_flow(gate(parts=(inside,))))
    assert "residual unit" in texts(both)
    assert float(both.attrib["width"]) > 1.8 * float(alone.attrib["width"])


@pytest.mark.parametrize("name", ["a & b", "a < b", 'a "b"'])
def test_what_means_something_in_html_is_escaped(name):
    tree = parse(draw_flow(gate(title=name, description=name)))
    assert tree.attrib["aria-label"] == name
