"""The module under test: its promises, fresh modules of it, and inputs that fit."""

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from regard.core.errors import OptionError, RegardError, ShapeError
from regard.core.facts import Facts
from regard.core.mechanism import Mechanism
from regard.core.options import at_least
from regard.core.seeding import key, use_seed
from regard.testing import inputs
from regard.testing.outcomes import CheckFailedError, CheckSkippedError, brief
from regard.testing.source import NONE, Attention, Builds, Copies, Options, Source, name_of

ExampleInputs = Callable[[int, tuple[int, ...], int], Tensor | tuple[Tensor, ...]]

DEFAULT_CHANNELS = 16
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """The module under test.

    Attributes:
        name: what sentences call it.
        source: where modules come from.
        channels: the channels of its inputs.
        dims: numbers of position axes it takes.
        keeps_shape: whether y has the shape of x.
        facts: a mechanism's facts; None for a module without.
        example_inputs: (channels, size, batch) -> what its forward takes.
        device: where it runs. Parameters and inputs are drawn on the CPU, so that they are the same everywhere.
    """

    name: str
    source: Source
    channels: int
    dims: tuple[int, ...]
    keeps_shape: bool
    facts: Facts | None
    example_inputs: ExampleInputs
    device: torch.device = CPU

    @property
    def on_the_cpu(self) -> "Subject":
        """The same, with modules and inputs on the CPU."""
        return replace(self, device=CPU)

    @property
    def main_dims(self) -> int:
        """Images where it takes them."""
        return 2 if 2 in self.dims else self.dims[0]

    @property
    def only_rescales(self) -> bool:
        """Returns whether it only rescales x, as far as is known."""
        facts = self.facts
        only = facts is None or (facts.bare and facts.act == "rescale" and facts.at not in ("conv", "kernel"))
        return self.keeps_shape and only

    @property
    def builds(self) -> Builds:
        """The class or function; a check that needs one is skipped where there is only an instance."""
        if isinstance(self.source, Builds):
            return self.source
        raise CheckSkippedError("It builds modules, so it needs the class or a function instead of an instance.")

    def module(
        self, *, channels: int | None = None, dims: int | None = None, draw: int = 0, options: Options = NONE
    ) -> nn.Module:
        """A new module in training mode, as it starts."""
        return self._make(channels, dims, draw, options).to(self.device)

    def _make(self, channels: int | None, dims: int | None, draw: int, options: Options = NONE) -> nn.Module:
        dims = dims or self.main_dims
        if isinstance(self.source, Copies):
            return self.source.make(channels, draw=draw, options=options).train()
        if self.source.takes("dims", dims):
            options = {"dims": dims} | dict(options)
        return self.source.make(channels or self.channels, draw=draw, options=options).train()

    def stated_count(self, channels: int, dims: int) -> int:
        """The number of parameters by the formula in the facts, for the options that modules are built with."""
        kind = type(self.module(dims=dims))
        if not issubclass(kind, Mechanism):
            raise CheckSkippedError("It is no Mechanism, so its formula cannot be read with its options.")
        options = inspect.signature(kind).parameters
        given = {name: p.default for name, p in self.builds.parameters.items() if name in options}
        known = {name: value for name, value in given.items() if value is not inspect.Parameter.empty}
        return kind.count(channels, **known | ({"dims": dims} if "dims" in options else {}))

    def stir(self, *, draw: int = 0, channels: int | None = None, dims: int | None = None) -> nn.Module:
        """A new module as training might have left it: nothing is still 0 or 1, a `strength` is 1/2.

        The noise of a weight is scaled by its fan-in, so that the features keep their magnitude.
        """
        module = self._make(channels, dims, draw)
        with use_seed("regard.testing", "stir", draw), torch.no_grad():
            for parameter in filter(torch.is_floating_point, module.parameters()):
                fan_in = parameter[0].numel() if parameter.ndim > 1 and len(parameter) else 1
                parameter.add_(torch.randn_like(parameter), alpha=0.25 if fan_in == 1 else 0.5 / math.sqrt(fan_in or 1))
        return wake(module).to(self.device)

    def inputs(
        self, size: tuple[int, ...] | None = None, *, batch: int = 2, channels: int | None = None, draw: int = 0
    ) -> tuple[Tensor, ...]:
        """Reference inputs in float32; the first one is x."""
        size = size or inputs.PLAIN[self.main_dims]
        with use_seed("regard.testing", "inputs", draw):
            made = self.example_inputs(channels or self.channels, size, batch)
        return tuple(x.to(self.device) for x in (made if isinstance(made, tuple) else (made,)))

    def drawing(self, *parts: str) -> AbstractContextManager[None]:
        """Inside the block the module's samples are the same in every run, on the CPU and on its own device."""
        return _sampling(self.device, *parts)

    def takes(self, size: tuple[int, ...], batch: int = 2) -> bool:
        """Returns whether the module takes x of that size; other checks report where it does not."""
        try:
            with torch.no_grad():
                run(self.module().eval(), self.inputs(size, batch=batch))
        except CheckSkippedError:
            raise
        except Exception:
            return False
        return True


def run(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """y; fails where the module does not return one tensor."""
    y = module(*inputs)
    if not isinstance(y, Tensor):
        raise CheckFailedError(f"The module returned {type(y).__name__}; y must be a tensor.")
    return y


def run_backward(
    module: nn.Module, inputs: tuple[Tensor, ...], *, scale: float = 1.0
) -> tuple[Tensor, dict[str, Tensor | None]]:
    """y, and the gradients of a random projection of y by name: `x`, then those parameters that are trained.

    `scale` multiplies the projection, as mixed-precision training scales its loss.
    """
    x, *rest = inputs
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = run(module, (x, *rest))
    with use_seed("regard.testing", "upstream"):
        upstream = (scale * torch.randn(y.shape)).to(y.device, y.dtype)
    module.zero_grad(set_to_none=True)
    y.backward(upstream)
    gradients = {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
    return y, {"x": x.grad} | gradients


@contextmanager
def _sampling(device: torch.device, *parts: str) -> Iterator[None]:
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(key(*parts))
        yield


def wake(module: nn.Module) -> nn.Module:
    """The module with every `strength` set to 1/2, so that one which starts as the identity does something."""
    with torch.no_grad():
        for parameter in strengths(module).values():
            parameter.fill_(0.5)
    return module


def strengths(module: nn.Module) -> dict[str, nn.Parameter]:
    """The scalars by which `start="identity"` leaves the features alone at first, by path."""
    return {n: p for n, p in module.named_parameters() if n.rpartition(".")[2] == "strength" and p.ndim == 0}


def subject_of(
    attention: Attention,
    *,
    channels: int | None = None,
    dims: tuple[int, ...] | None = None,
    keeps_shape: bool | None = None,
    example_inputs: ExampleInputs | None = None,
    device: torch.device = CPU,
) -> Subject:
    """Finds out what `attention` promises; see `check_attention` for the arguments and errors."""
    source = _source(attention)
    example = attention if isinstance(attention, nn.Module) else _build(source, attention, channels)
    if any(is_lazy(p) for p in example.parameters()):
        raise OptionError(
            f"check_attention: {type(example).__name__} has parameters whose shapes its first input decides; "
            "give their sizes in the constructor."
        )
    facts = getattr(example, "facts", None)
    facts = facts if isinstance(facts, Facts) else None
    made = Subject(
        name=facts.name if facts else type(example).__name__,
        source=source,
        channels=_channels(channels, example, source),
        dims=_dims(dims, example, source, facts),
        keeps_shape=keeps_shape if keeps_shape is not None else facts is None or facts.returns == "features",
        facts=facts,
        example_inputs=example_inputs or getattr(example, "example_inputs", None) or _features,
        device=device,
    )
    if dims is None and isinstance(source, Copies):
        made = replace(made, dims=tuple(d for d in made.dims if not _refuses(made, d)) or made.dims)
    _use(made)
    return made


def _source(attention: Attention) -> Source:
    if isinstance(attention, nn.Module):
        return Copies(attention)
    if callable(attention):
        return Builds(attention)
    raise OptionError(
        f"check_attention: {attention!r} is no attention module. Pass an nn.Module, its class, or a function "
        "that builds one from the number of channels."
    )


def _build(source: Source, attention: Attention, channels: int | None) -> nn.Module:
    try:
        return source.make(channels or DEFAULT_CHANNELS)
    except RegardError:
        raise
    except Exception as error:
        name = name_of(attention)
        raise OptionError(
            f"check_attention: {name} cannot be built from {channels or DEFAULT_CHANNELS} channels "
            f"({brief(error)}). Pass a function of the number of channels: lambda channels: {name}(...)."
        ) from error


def _features(channels: int, size: tuple[int, ...], batch: int) -> Tensor:
    return inputs.features(channels, size, batch=batch)


def _channels(asked: int | None, example: nn.Module, source: Source) -> int:
    if asked is not None:
        return at_least("check_attention", "channels", asked, 1)
    if isinstance(source, Builds) and source.any_channels:
        return DEFAULT_CHANNELS
    own = getattr(example, "channels", None)
    if isinstance(own, int):
        return own
    raise OptionError(
        f"check_attention: the number of channels of {type(example).__name__} is not known: pass channels=... or "
        "its class."
    )


def _dims(asked: tuple[int, ...] | None, example: nn.Module, source: Source, facts: Facts | None) -> tuple[int, ...]:
    if asked is not None:
        if not asked or any(d not in inputs.SIZES for d in asked):
            raise OptionError(f"check_attention: dims={asked!r} is not allowed; it must name some of 1, 2 and 3.")
        return tuple(asked)
    own = getattr(example, "dims", None)
    if isinstance(own, int) and not source.takes("dims", own):
        return (own,)
    return facts.dims if facts else (2,)


def _refuses(made: Subject, dims: int) -> bool:
    """Returns whether the instance raises a `ShapeError` because it was built for another number of position axes."""
    try:
        with torch.no_grad():
            run(made.module().eval(), made.inputs(inputs.PLAIN[dims]))
    except ShapeError:
        return True
    except Exception:
        return False
    return False


def _use(made: Subject) -> None:
    """Raises an `OptionError` where the module does not even take its reference input."""
    example = made.inputs()
    try:
        with torch.no_grad():
            made.module().eval()(*example)
    except CheckSkippedError:
        return
    except Exception as error:
        shapes = ", ".join(str(tuple(x.shape)) for x in example)
        raise OptionError(
            f"check_attention: {made.name} failed on its reference input of shape {shapes}: {brief(error)}. "
            "Where it takes other inputs, pass channels=, dims= or example_inputs=."
        ) from error
