import pytest
import torch

from regard.core import OptionError, UnknownNameError, taps
from regard.explanation import observe, replace_maps
from tests.explanation.nets import CLASSES, classifier


def images(n=3):
    return torch.randn(n, CLASSES, 6, 5, generator=torch.Generator().manual_seed(1))


def test_function_tensor_or_number_replaces_a_map():
    net = classifier("se")
    weights = torch.linspace(0, 1, 8).reshape(1, 8, 1, 1)
    features = net[:3](images())
    for stand_in, applied in (
        (lambda gate: gate * 0 + weights, weights),
        (weights, weights),
        (0.5, 0.5),
    ):
        with replace_maps(net, {"3.gate": stand_in}):
            torch.testing.assert_close(net(images()), net[4:](features * applied))


def test_original_maps_return_also_after_exception():
    net = classifier("cbam")
    before = net(images())
    mine = torch.ones_like
    taps(net)["3.spatial.gate"].replace = mine
    with pytest.raises(KeyError), replace_maps(net, {"3": 0.0}):
        raise KeyError
    assert [tap.replace for tap in taps(net).values()] == [None, mine]
    taps(net)["3.spatial.gate"].replace = None
    assert torch.equal(net(images()), before)


def test_nested_replacement_gets_the_outer_result():
    net = classifier("se")
    with replace_maps(net, {"3.gate": 0.5}), replace_maps(net, {"3.gate": lambda gate: gate / 2}), observe(net) as maps:
        net(images())
    assert (maps.one("3.gate").values == 0.25).all()


def test_two_replacements_of_one_tap_are_refused():
    net = classifier("cbam")
    with (
        pytest.raises(OptionError, match=r"'3.channel.gate' has two"),
        replace_maps(net, {"3": 1.0, "3.channel.*": 1.0}),
    ):
        pass
    assert all(tap.replace is None for tap in taps(net).values())


def test_a_misspelt_path_is_an_error():
    net = classifier("se")
    with pytest.raises(UnknownNameError, match=r"3.gate"), replace_maps(net, {"3.gat": 1.0}):
        pass


def test_a_compiled_network_heeds_it():
    net = classifier("se")
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    before = compiled(images())
    for value in torch.linspace(0, 1, 10).tolist():
        with replace_maps(compiled, {"3.gate": value}):
            torch.testing.assert_close(compiled(images()), net[4:](net[:3](images()) * value))
    torch.testing.assert_close(compiled(images()), before)
