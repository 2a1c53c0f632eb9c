"""Checks of the constructor's options and parameters, and of the inputs that forward refuses."""

import torch
from torch import nn

from regard.core.errors import RegardError, ShapeError
from regard.testing.comparison import finite
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, brief, during
from regard.testing.subject import Subject, run, strengths

FEW = (1, 2, 3, 19)
"""Numbers of channels under a usual reduction, and one that no reduction divides."""


def few_channels(subject: Subject) -> None:
    """Takes fewer channels than the reduction, and any number, and still depends on its input."""
    builds = subject.builds
    if not builds.any_channels:
        raise CheckSkippedError("Its function fixes the number of channels.")
    depends = _depends_on_input(subject, subject.channels)
    larger: dict[str, object] = {"reduction": 4 * max(FEW)} if "reduction" in builds.parameters else {}
    for channels in FEW:
        for options in ({}, larger) if larger else ({},):
            what = f"{channels} channel{'s' * (channels > 1)}" + "".join(f", {k}={v}" for k, v in options.items())
            with during(f"building it for {what}"):
                module = subject.module(channels=channels, options=options)
            for name, parameter in module.named_parameters():
                if parameter.numel() == 0:
                    raise CheckFailedError(
                        f"{what}: the parameter {name} has shape {tuple(parameter.shape)}, so the map ignores its "
                        "input: never let a width fall under 1."
                    )
            for training in (False, True):
                with during(what), torch.no_grad():
                    finite(run(module.train(training), subject.inputs(channels=channels)), f"{what}: y")
        if depends and channels > 1 and not _depends_on_input(subject, channels):
            raise CheckFailedError(
                f"{channels} channels: y is a linear function of x, so the map ignores its input; for "
                f"{subject.channels} channels it does not."
            )


def misspelt_option(subject: Subject) -> None:
    """A misspelt keyword is refused, not swallowed."""
    builds = subject.builds
    options = [name for name in builds.options if name not in ("channels", "start", "dims")]
    wrong = f"{options[0]}s" if options else "no_such_option"
    try:
        builds.make(subject.channels, options={wrong: 1})
    except (TypeError, ValueError):
        return
    except Exception as error:
        raise CheckFailedError(f"{wrong}=1 raised {brief(error)}; a TypeError or ValueError should name it.") from error
    raise CheckFailedError(f"{wrong}=1 was accepted in silence: take named options only, no **kwargs.")


def parameter_order(subject: Subject) -> None:
    """Every weight is registered before its bias."""
    module = subject.module()
    if not any(True for _ in module.parameters()):
        raise CheckSkippedError("The module has no parameters.")
    for path, child in module.named_modules():
        names = list(child._parameters)
        for index, name in enumerate(names):
            weight = name.replace("bias", "weight")
            if weight != name and weight in names[index:]:
                raise CheckFailedError(
                    f"{path + '.' if path else ''}{name} is registered before {weight}: register weight before bias."
                )


def parameter_count(subject: Subject) -> None:
    """Has as many parameters as the formula in its facts says, for few and many channels."""
    if subject.facts is None or not subject.facts.parameters:
        raise CheckSkippedError("It has no facts that state the number of its parameters.")
    for channels in (*FEW, subject.channels, 64):
        for dims in subject.dims:
            module = subject.module(channels=channels, dims=dims)
            real = sum(p.numel() for name, p in module.named_parameters() if name not in strengths(module))
            stated = subject.stated_count(channels, dims)
            if real != stated:
                raise CheckFailedError(
                    f"{channels} channel{'s' * (channels > 1)}, {dims}-D: it has {real:,} parameters; the formula in "
                    f"its facts, {subject.facts.parameters!r}, gives {stated:,}."
                )


def wrong_input(subject: Subject) -> None:
    """Refuses integers, another number of channels and too few axes with a `ShapeError` that names the given value."""
    if subject.facts is None:
        raise CheckSkippedError("The module has no facts, so its errors are its own business.")
    module = subject.module().eval()
    x, *rest = subject.inputs()
    more = subject.inputs(channels=subject.channels + 1)[0]
    for wrong, word in (
        (x.int(), str(torch.int32)),
        (more, str(tuple(more.shape))),
        (x.flatten(1), str(tuple(x.flatten(1).shape))),
    ):
        _refuses(module, (wrong, *rest), word)


def _refuses(module: nn.Module, inputs: tuple[torch.Tensor, ...], word: str) -> None:
    what = f"x {tuple(inputs[0].shape)} in {inputs[0].dtype}"
    try:
        module(*inputs)
    except ShapeError as error:
        if word not in str(error):
            raise CheckFailedError(f"{what} raised {brief(error)}; the text should say {word}.") from error
        return
    except Exception as error:
        hint = "" if isinstance(error, RegardError) else ": begin forward with self.expect(x)"
        raise CheckFailedError(f"{what} raised {brief(error)}; it should be a ShapeError{hint}.") from error
    raise CheckFailedError(f"{what} was accepted: begin forward with self.expect(x).")


def _depends_on_input(subject: Subject, channels: int) -> bool:
    """Returns whether y is more than a linear function of x, in one of a few draws of the parameters and sizes of x."""
    for draw in range(6):
        module = subject.stir(channels=channels, draw=draw).double().eval()
        for scale in (1.0, 0.1):  # a softmax of sums over many positions may be saturated at 1
            first, second = (
                tuple(scale * x.double() for x in subject.inputs(channels=channels, draw=d)) for d in (0, 1)
            )
            rest = first[1:]
            with during(f"{channels} channels"), torch.no_grad():
                parts = [run(module, (x, *rest)) for x in (first[0], second[0], first[0] + second[0], 0 * first[0])]
            one, other, both, none = parts
            if float((both - one - other + none).abs().max()) > 1e-9 * float(both.abs().max()):
                return True
    return False
