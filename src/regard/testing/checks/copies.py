"""Checks that a copied, pickled or saved module stays the same."""

import copy
import io
import pickle

import torch
from torch import Tensor, nn

from regard.core.tap import taps
from regard.testing.comparison import agree
from regard.testing.outcomes import CheckFailedError, brief, during
from regard.testing.source import Copies
from regard.testing.subject import Subject, run, run_backward


def deepcopy(subject: Subject) -> None:
    """A deep copy, also one made after a training step, gives the same y and shares nothing with the original."""
    if isinstance(subject.source, Copies):
        try:
            copy.deepcopy(subject.source.original)
        except Exception as error:
            raise CheckFailedError(f"copy.deepcopy raised {brief(error)}") from error
    module = _train_once(subject)
    seen: list[Tensor] = []
    for tap in taps(module).values():
        tap.sink = seen.append
    with during("copy.deepcopy after a training step"):
        twin = copy.deepcopy(module)
    _same_outputs(subject, twin, module, "the copy's y", without_sinks=seen)
    storages = {p.data_ptr() for p in module.parameters() if p.numel()}
    for name, parameter in twin.named_parameters():
        if parameter.numel() and parameter.data_ptr() in storages:
            raise CheckFailedError(f"The copy shares the memory of the parameter {name} with the original.")


def pickling(subject: Subject) -> None:
    """A pickle, also one made after a training step, gives the same y, so that whole modules reach workers."""
    module = _train_once(subject)
    with during("pickling after a training step"):
        twin = pickle.loads(pickle.dumps(module))
    _same_outputs(subject, twin, module, "y after pickling")


def state_dict(subject: Subject) -> None:
    """The state dict, saved and loaded into another module, is all that y depends on."""
    module = _train_once(subject)
    stored = io.BytesIO()
    with during("torch.save of the state dict and torch.load with weights_only=True"):
        torch.save(module.state_dict(), stored)
        stored.seek(0)
        state = torch.load(stored, weights_only=True)
    other = subject.stir(draw=1)
    with during("load_state_dict"):
        other.load_state_dict(state, strict=True)
    _same_outputs(subject, other, module, "y after loading the state dict into another module")


def _train_once(subject: Subject) -> nn.Module:
    """A module after one training step's forward and backward pass."""
    module = subject.stir()
    with during("a training step"):
        run_backward(module, subject.inputs())
    return module


def _same_outputs(
    subject: Subject, twin: nn.Module, module: nn.Module, what: str, without_sinks: list[Tensor] | None = None
) -> None:
    inputs = subject.inputs(draw=1)
    with torch.no_grad():
        with during(what):
            got = run(twin.eval(), inputs)
        if without_sinks:
            raise CheckFailedError("A copy's tap shows its maps to the sink of the original.")
        for tap in taps(module).values():
            tap.sink = None  # a map that is computed only for a sink is rounded otherwise
        agree(got, run(module.eval(), inputs), 0.0, what)
