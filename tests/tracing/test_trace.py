"""The drawing of a mechanism says what its code does."""

import itertools
from xml.etree import ElementTree

import pytest

from regard.attention import CATALOGUE, CONTROLS, create
from regard.core.tap import taps
from regard.recipes.catalogue import flow_of
from regard.tracing.drawing import draw_flow

EVERYTHING = (*CATALOGUE, *CONTROLS)
MOST = 40


def lines(flow, kind):
    return [node.lines for node in flow.nodes if node.kind == kind]


def after(flow, name):
    return {edge.end for edge in flow.edges if edge.start == name}


@pytest.mark.parametrize("mechanism", EVERYTHING, ids=lambda m: m.facts.name)
def test_every_mechanism_is_drawn_with_its_maps(mechanism):
    flow = flow_of(mechanism.facts.name)
    nodes = {node.name: node for node in flow.nodes}
    module = create(mechanism.facts.name, channels=64)
    seen = {node.lines[0].removeprefix("map ") for node in flow.nodes if node.kind == "map"}
    assert seen == set(taps(module))
    assert len(nodes) == len(flow.nodes) <= MOST
    assert {edge.start for edge in flow.edges} | {edge.end for edge in flow.edges} <= set(nodes)
    assert nodes[flow.spine[0]].lines[0] == "x"
    assert nodes[flow.spine[-1]].lines[0] == "y"
    assert all(pair in {(e.start, e.end) for e in flow.edges} for pair in itertools.pairwise(flow.spine))
    said = [line for node in flow.nodes if node.kind in ("step", "join") for line in node.lines]
    assert not [line for line in said if "_" in line or not line.strip()]
    ElementTree.fromstring(draw_flow(flow, alone=True))


def test_squeeze_and_excitation_is_drawn_as_published():
    flow = flow_of("se")
    assert lines(flow, "step") == [("mean over positions",), ("linear", "relu"), ("linear", "sigmoid")]
    assert lines(flow, "map") == [("map gate", "over channels", "c × 1 × 1")]
    assert lines(flow, "join") == [("×",)]
    sizes = [edge.size for edge in flow.edges if edge.size]
    assert sorted(sizes) == ["c", "c", "c/16"]


def test_options_change_the_drawing():
    assert ("+",) in lines(flow_of("bam:combine=add"), "join")
    assert ("+",) not in lines(flow_of("bam"), "join")
    assert "c/4" in [edge.size for edge in flow_of("se:reduction=4").edges]


def test_the_features_path_is_the_spine():
    flow = flow_of("cbam")
    kinds = {node.name: node.kind for node in flow.nodes}
    assert [kinds[name] for name in flow.spine] == ["features", "join", "join", "features"]


def test_branches_multiply_parts_of_one_map():
    flow = flow_of("sk")
    (chosen,) = [node.name for node in flow.nodes if node.kind == "map"]
    kinds = {node.name: node.lines[0] for node in flow.nodes}
    assert [kinds[name] for name in after(flow, chosen)] == ["×", "×"]
    assert {edge.size for edge in flow.edges if edge.start == chosen} == {"c × 1 × 1"}


def test_a_controls_map_is_learned_only():
    flow = flow_of("static")
    assert lines(flow, "learned") == [("learned", "c")]


def test_a_repeated_units_inside_is_drawn_apart():
    flow = flow_of("residual_mask")
    assert len(lines(flow, "unit")) > 2
    (inside,) = flow.parts
    assert inside.title == "residual unit"
    assert ("+",) in lines(inside, "join")


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_every_number_of_axes_is_drawn(dims):
    flow = flow_of("cbam", dims=dims)
    shapes = {1: "c × t", 2: "c × h × w", 3: "c × t × h × w"}
    assert flow.nodes[0].lines == ("x", shapes[dims])


def test_a_second_input_has_its_name():
    assert ("signal", "c × h/2 × w/2") in lines(flow_of("attention_gate"), "features")
