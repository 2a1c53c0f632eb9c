import pytest
import torch

from regard.attention import create, export_weights, import_weights
from regard.attention.channel.se import SE
from regard.core import CheckpointError, UnknownNameError


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


def test_a_module_that_starts_as_the_identity_takes_them_and_keeps_its_strength():
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


def test_a_library_without_a_twin_is_said():
    with pytest.raises(UnknownNameError, match=r"library with a twin of 'se' named 'tim'. Did you mean 'timm'"):
        export_weights(SE(8), "tim")
    with pytest.raises(CheckpointError, match="static: no other library is known that computes the same"):
        export_weights(create("static", channels=8), "timm")
