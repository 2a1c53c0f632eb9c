"""Names of weights from elsewhere become those of the network."""

import pytest
import torch
from torch import nn

from regard import models
from regard.attention import create, export_weights
from regard.attention.exchange import layouts_for
from regard.core import CheckpointError
from regard.training.matching import attention_paths, head_of, match
from regard.training.transfer import transfer


@pytest.fixture
def trained():
    return models.create("se_resnet8", num_classes=4, in_channels=1, seed=1)


@pytest.fixture
def fresh():
    return models.create("se_resnet8", num_classes=4, in_channels=1, seed=2)


def same(one, other, but=()):
    pairs = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for (name, a), b in pairs if not name.startswith(tuple(but) or ("?",)))


def test_the_head_and_the_mechanisms_of_a_network(fresh):
    assert head_of(fresh, 4) == "fc"
    assert attention_paths(fresh) == ["layer1.0.attention", "layer2.0.attention", "layer3.0.attention"]
    assert head_of(fresh, 99) is None


@pytest.mark.parametrize("prefix", ["encoder.", "net.", "model.backbone."])
def test_a_prefix_of_all_names_is_stripped(trained, fresh, prefix):
    done = transfer(fresh, {prefix + n: v for n, v in trained.state_dict().items()}, "old.pth", 4)
    assert same(trained, fresh)
    assert f"the prefix {prefix!r} was stripped" in str(done)


def test_a_head_beside_the_prefix_is_kept(trained, fresh):
    state = {n if n.startswith("fc.") else f"backbone.{n}": v for n, v in trained.state_dict().items()}
    transfer(fresh, state, "old.pth", 4)
    assert same(trained, fresh)


def test_a_missing_head_starts_anew(trained, fresh):
    state = {n: v for n, v in trained.state_dict().items() if not n.startswith("fc.")}
    done = transfer(fresh, state, "old.pth", 4)
    assert done.renewed == ("fc.weight", "fc.bias")
    assert same(trained, fresh, but=("fc.",))
    assert "the file lacks them" in str(done)


@pytest.mark.parametrize("called", ["head", "classifier.1", "last_linear"])
def test_a_head_of_another_name_is_taken(trained, fresh, called):
    state = {n.replace("fc.", f"{called}."): v for n, v in trained.state_dict().items()}
    done = transfer(fresh, state, "old.pth", 4)
    assert same(trained, fresh)
    assert f"the head '{called}' became 'fc'" in str(done)


def test_a_renamed_head_of_another_shape_is_initialised(trained, fresh):
    body = {n: v for n, v in trained.state_dict().items() if not n.startswith("fc.")}
    for head in (nn.Linear(64, 9), nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))):
        done = transfer(fresh, body | {f"head.{n}": v for n, v in head.state_dict().items()}, "old.pth", 4)
        assert done.renewed == ("fc.weight", "fc.bias")
        assert "the head 'head' of the file" in str(done)
    assert same(trained, fresh, but=("fc.",))


def test_a_decoder_is_no_head(trained, fresh):
    state = trained.state_dict() | {"decoder.weight": torch.zeros(3, 64), "decoder.bias": torch.zeros(3)}
    with pytest.raises(CheckpointError, match=r"decoder\.weight is not in the network"):
        transfer(fresh, state, "old.pth", 4)


@pytest.mark.parametrize("library", ["timm", "pytorchcv"])
def test_mechanisms_of_another_library_are_read(trained, fresh, library):
    state = {n: v for n, v in trained.state_dict().items() if ".attention." not in n}
    for path in attention_paths(trained):
        theirs = export_weights(trained.get_submodule(path), library)
        state |= {f"encoder.{path}.{n}": v for n, v in theirs.items()}
    state = {n if n.startswith("encoder.") else f"encoder.{n}": v for n, v in state.items()}
    done = transfer(fresh, state, "old.pth", 4, layouts=layouts_for)
    assert same(trained, fresh)
    assert f"3 attention modules were read in {library}'s layout" in str(done)


def test_a_single_mechanism_goes_where_it_fits(trained, fresh):
    before = {n: v.clone() for n, v in fresh.state_dict().items()}
    theirs = export_weights(trained.layer2[0].attention, "timm")
    done = transfer(fresh, theirs, "se.pth", 4, layouts=layouts_for)
    assert "were loaded into layer2.0.attention, the rest is newly initialised" in str(done)
    for name, value in fresh.state_dict().items():
        inside = name.startswith("layer2.0.attention.")
        assert torch.equal(value, trained.state_dict()[name] if inside else before[name])


def test_a_mechanism_alone_is_a_network_too():
    trained, fresh = create("cbam", channels=16), create("cbam", channels=16)
    transfer(fresh, export_weights(trained, "timm"), "cbam.pth", 16, layouts=layouts_for)
    assert same(trained, fresh)


def test_a_single_mechanism_that_fits_twice_is_refused():
    net = nn.Sequential(create("eca", channels=8), create("eca", channels=8))
    with pytest.raises(CheckpointError, match=r"se\.pth: .* 2 of the network's have these shapes: 0, 1\..*0\.conv"):
        transfer(net, {"conv.weight": torch.zeros(1, 1, 3)}, "se.pth", 4)


def test_names_that_fit_already_are_left_alone(trained, fresh):
    matched = match(fresh, trained.state_dict(), 4)
    assert matched.remarks == []
    assert set(matched.state) == set(fresh.state_dict())
