"""The channels that the gates of a network close over a set of images, and the multiply-adds that this would save."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from regard.core.hard import HardFeatures
from regard.core.kinds import Axis
from regard.core.tap import Tap
from regard.recipes.listing import millions


@dataclass(frozen=True)
class GateUse:
    """One gate module over all images.

    Attributes:
        path: of the module.
        channels: how many it gates.
        open: mean share of open gates.
        always_open: gates that are open for every image.
        always_closed: gates that are closed for every image.
        macs: multiply-adds an image of the layer that computes the gated channels; None where no convolution or linear
            layer directly before the gate has so many outputs.
        saved: those of its closed channels, mean over the images; None with `macs`.
    """

    path: str
    channels: int
    open: float
    always_open: int
    always_closed: int
    macs: int | None
    saved: float | None

    @property
    def is_constant(self) -> bool:
        """True if no gate depends on the image."""
        return self.always_open + self.always_closed == self.channels


@dataclass(frozen=True)
class ClosedChannels:
    """Every gate module of a network over a set of images.

    Attributes:
        gates: one for each module.
        macs: multiply-adds of the whole network, an image.
    """

    gates: tuple[GateUse, ...]
    macs: int

    @property
    def saved(self) -> float:
        """Multiply-adds an image that the closed channels would save."""
        return sum(gate.saved or 0.0 for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """A record for each gate module, and the sums."""
        return {"gates": [asdict(gate) for gate in self.gates], "saved_macs": self.saved, "macs": self.macs}

    def __str__(self) -> str:
        constant = [gate.path for gate in self.gates if gate.is_constant]
        fixed = sum(gate.always_open + gate.always_closed for gate in self.gates)
        every = sum(gate.channels for gate in self.gates)
        lines = [
            f"Computing no closed channel would save {millions(round(self.saved))} of {millions(self.macs)} million "
            f"multiply-adds an image ({100 * self.saved / max(self.macs, 1):.1f} %); as it runs, nothing is saved.",
            f"{fixed:,} of {every:,} gates are constant over these images."
            + (f" Wholly constant: {', '.join(constant)}." if constant else ""),
        ]
        return "\n".join(lines)

    def table(self) -> Table:
        """A row for each gate module."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("gates", "channels", "open", "always open", "always closed", "M multiply-adds saved"):
            table.add_column(column, justify="left" if column == "gates" else "right")
        for gate in self.gates:
            saved = "-" if gate.saved is None else f"{millions(round(gate.saved))} of {millions(gate.macs or 0)}"
            cells = (gate.path, gate.channels, f"{100 * gate.open:.1f} %", gate.always_open, gate.always_closed, saved)
            table.add_row(*(Text(str(cell)) for cell in cells))
        return table


class _Layer:
    """The last layer that ran, its outputs and its multiply-adds a row of the batch; and the images so far."""

    outputs = 0
    macs = 0
    images = 0

    def count(self, _net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Counts the images of a pass; a hook before the network."""
        self.images += len(inputs[0])

    def note(self, module: nn.Module, _inputs: object, y: Tensor) -> None:
        """Keeps them; a forward hook."""
        self.outputs = y.shape[-1] if isinstance(module, nn.Linear) else y.shape[1]
        self.macs = y.numel() // max(len(y), 1) * (module.weight[0].numel())  # type: ignore[index]


class GateWatch:
    """The gates of one module over every pass inside `watch_gates`."""

    def __init__(self, path: str, channels: int, layer: _Layer) -> None:
        self.path, self.channels, self._layer = path, channels, layer
        self._rows = self._open = self._macs = self._saved = 0.0
        self._ever_open, self._ever_closed = (torch.zeros(channels, dtype=torch.bool) for _ in range(2))
        self._row: int | None = None

    def note_layer(self, _module: nn.Module, _inputs: object) -> None:
        """Keeps the cost of the layer that computed the channels; a hook before the module."""
        self._row = self._layer.macs if self._layer.outputs == self.channels else None

    def note_gates(self, _tap: nn.Module, _inputs: object, gate: Tensor) -> None:
        """Counts the gates of a batch; a forward hook of the tap."""
        is_open = (gate.detach().reshape(len(gate), -1) != 0).cpu()
        share = float(is_open.double().mean(1).sum())
        self._rows += len(is_open)
        self._open += share
        self._macs += len(is_open) * (self._row or 0)
        self._saved += (len(is_open) - share) * (self._row or 0)
        self._ever_open |= is_open.any(0)
        self._ever_closed |= ~is_open.all(0)

    def use(self) -> GateUse:
        """Returns the counts."""
        images = max(self._layer.images, 1)
        return GateUse(
            path=self.path,
            channels=self.channels,
            open=self._open / max(self._rows, 1),
            always_open=int((~self._ever_closed).sum()),
            always_closed=int((~self._ever_open).sum()),
            macs=None if self._row is None else round(self._macs / images),
            saved=None if self._row is None else self._saved / images,
        )


@contextmanager
def watch_gates(net: nn.Module) -> Iterator[Sequence[GateWatch]]:
    """Counts the open gates of every pass of `net` inside, for each module that opens or closes channels.

    The layer before a gate need not compute closed channels. In the blocks of a residual network only a normalisation
    stands between the two, so that the means that decide over a gate follow from sums over the layer's input; what
    follows the gate saves nothing, because the shortcut is added.

    Args:
        net: any network.
    """
    layer, watches = _Layer(), []
    with ExitStack() as hooks:
        hooks.callback(net.register_forward_pre_hook(layer.count).remove)
        for path, module in net.named_modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear) and not _inside_gate(net, path):
                hooks.callback(module.register_forward_hook(layer.note).remove)
            if isinstance(module, HardFeatures):
                taps = [tap for tap in module.children() if isinstance(tap, Tap) and _gates_channels(tap)]
                for tap in taps:
                    watch = GateWatch(path, module.channels, layer)
                    watches.append(watch)
                    hooks.callback(module.register_forward_pre_hook(watch.note_layer).remove)
                    hooks.callback(tap.register_forward_hook(watch.note_gates).remove)
        yield watches


def _gates_channels(tap: Tap) -> bool:
    return tap.kind.axes == (Axis.BATCH, Axis.CHANNEL)


def _inside_gate(net: nn.Module, path: str) -> bool:
    parts = path.split(".")
    return any(isinstance(net.get_submodule(".".join(parts[:n])), HardFeatures) for n in range(1, len(parts)))
