from dataclasses import replace

import pytest
import torch

from regard.core import OptionError, UnknownNameError
from regard.recipes.run_folder import read_facts
from regard.recipes.train import train
from regard.training import load_weights
from tests.recipes.captions import MODEL, QUICK, write_captions


def run(data, out, **given):
    options = {"model": MODEL, "attention": "hard_spatial:hidden=4", "recipe": QUICK} | given
    return train(data=data, out=str(out), device="cpu", workers=0, **options)


def test_a_resumed_run_is_bit_exact(tmp_path, monkeypatch):
    data = write_captions(tmp_path / "images")
    whole = run(data, tmp_path / "whole")
    from regard.training.tasks.sequences import Sequences

    real, calls = Sequences.loss, []

    def stops(self, *given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Sequences, "loss", stops)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "cut")
    train(resume=str(tmp_path / "cut"), device="cpu", workers=0)
    one, other = (load_weights(tmp_path / name / "weights.safetensors")[0] for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.unit == "image"
    assert read_facts(tmp_path / "whole")["images"]["val"] == whole.images


def test_weights_start_another_run(tmp_path):
    data = write_captions(tmp_path / "images")
    run(data, tmp_path / "one", attention=None)
    still = replace(QUICK, epochs=1, lr=1e-12, weight_decay=0.0, warmup_epochs=0)
    run(data, tmp_path / "two", attention=None, recipe=still, weights=str(tmp_path / "one" / "weights.safetensors"))
    one, other = (load_weights(tmp_path / name / "weights.safetensors")[0] for name in ("one", "two"))
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one if name.startswith("decoder"))


def test_options_of_classes_are_refused(tmp_path):
    data = write_captions(tmp_path / "images")
    with pytest.raises(OptionError, match="balanced=True is not allowed with captions"):
        run(data, tmp_path / "run", balanced=True)
    with pytest.raises(OptionError, match=r"mixup=0\.2 is not allowed"):
        run(data, tmp_path / "mixed", recipe=replace(QUICK, mixup=0.2))
    with pytest.raises(UnknownNameError, match="network from images to text"):
        run(data, tmp_path / "other", model="resnet8")
