import inspect
import subprocess
import sys
from importlib import import_module

import pytest
import torch

from regard.attention import CATALOGUE, create, export_weights, import_weights
from regard.attention.channel.se import SE
from regard.attention.exchange import layouts_of
from regard.attention.layouts import LIBRARIES
from regard.core import CheckpointError, Layout, UnknownNameError


def test_weights_go_there_and_back():
    module, other = create("se", channels=8, reduction=2), create("se", channels=8, reduction=2)
    import_weights(other, export_weights(module, "timm"), "timm")
    for name, values in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], values)


def test_copies_are_given_and_taken():
    module = create("se", channels=8, reduction=2)
    state = export_weights(module, "timm")
    state["fc1.bias"].fill_(7.0)
    assert not (module.reduce.bias == 7).any()
    import_weights(module, state, "timm")
    state["fc1.bias"].fill_(8.0)
    assert (module.reduce.bias == 7).all()


def test_an_identity_start_keeps_its_strength():
    module = create("se", channels=8, reduction=2, start="identity")
    torch.nn.init.constant_(module.strength, 0.5)
    import_weights(module, export_weights(create("se", channels=8, reduction=2), "timm"), "timm")
    assert module.strength.item() == 0.5
    with pytest.raises(CheckpointError, match="'strength': it exists only with start='identity'"):
        export_weights(module, "timm")


def test_nothing_is_loaded_half():
    module = create("se", channels=8, reduction=2)
    before = {name: values.clone() for name, values in module.state_dict().items()}
    state = export_weights(create("se", channels=8, reduction=2), "timm")
    state["fc2.weight"] = torch.zeros(3, 3)
    with pytest.raises(CheckpointError, match="build the mechanism with the options"):
        import_weights(module, state, "timm")
    assert all(torch.equal(module.state_dict()[name], values) for name, values in before.items())


def test_another_function_is_refused_both_ways():
    module = create("scse", channels=8)
    state = export_weights(create("scse", channels=8, combine="max"), "official")
    with pytest.raises(CheckpointError, match=r"scse: official computes another function.*build it with combine='max'"):
        import_weights(module, state, "official")
    with pytest.raises(CheckpointError, match="build it with combine='max'"):
        export_weights(module, "official")


def test_the_twin_with_the_modules_options_is_taken():
    assert next(iter(export_weights(create("mil_pool", channels=8), "official"))) == "attention_V.0.weight"
    assert next(iter(export_weights(create("mil_pool", channels=8, gated=False), "official"))) == "attention.0.weight"


@pytest.mark.parametrize("mechanism", CATALOGUE, ids=lambda m: m.facts.name)
def test_layouts_name_existing_options_and_tensors(mechanism):
    allowed = inspect.signature(mechanism).parameters
    for layout in layouts_of(mechanism.facts.name):
        assert layout.options.keys() <= allowed.keys()
        module = mechanism(32, **layout.options)
        assert layout.to_theirs(module.state_dict()).keys() or not module.state_dict()


def test_layouts_are_of_mechanisms_and_under_their_library():
    known = {mechanism.facts.name for mechanism in CATALOGUE}
    for library in LIBRARIES:
        layouts = import_module(f"regard.attention.layouts.{library}").LAYOUTS
        assert {layout.mechanism for layout in layouts} <= known
        assert {layout.library.lower() for layout in layouts} == {library}


def test_a_mechanism_of_your_own_brings_its_layouts():
    class Mine(SE):
        """Stored elsewhere under other names."""

        layouts = (Layout(library="mine", twin="mine.SE", names={"reduce": "a", "expand": "b"}),)

    assert list(export_weights(Mine(8), "mine")) == ["a.weight", "a.bias", "b.weight", "b.bias"]


def test_to_make_a_mechanism_reads_no_layout():
    code = (
        "import sys, regard; regard.create('se', channels=8); sys.exit('regard.attention.layouts.timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_library_without_a_twin_is_said():
    with pytest.raises(UnknownNameError, match=r"library with a twin of 'se' named 'tim'. Did you mean 'timm'"):
        export_weights(SE(8), "tim")
    with pytest.raises(CheckpointError, match="static: no other library is known that computes the same"):
        export_weights(create("static", channels=8), "timm")
