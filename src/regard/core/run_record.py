"""The one record of a run: its network, its input, its task and its data, as every file of a run keeps it.

The weights of a training or of a trial carry it in their metadata, whatever rebuilds a network reads it there, and a
comparison's results hold it.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from regard.core.coding import decode, encode
from regard.core.errors import CheckpointError

InputKind = Literal["image", "text", "clip", "sound"]


@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A network by its name, and the options that it is built with beside those that follow from input and task."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The name with its attention, for people.

        >>> str(NetworkRecord(name="resnet20", options={"attention": "se:reduction=8"}))
        'resnet20 with se:reduction=8'
        >>> str(NetworkRecord(name="resnet20", options={"attention": None, "patch": 64}))
        'resnet20 in patches of 64 pixels'
        """
        attention = f" with {self.options['attention']}" if self.options.get("attention") else ""
        patches = f" in patches of {self.options['patch']} pixels" if self.options.get("patch") else ""
        return f"{self.name}{attention}{patches}"


@dataclass(frozen=True, kw_only=True)
class InputRecord:
    """The kind of input, and the preparation of an example for the network."""

    kind: InputKind
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """A task by its name, its options, and its classes; none where it has no classes."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataRecord:
    """Data as they were opened: the source's name, the file of its labels, and a hash of its contents.

    `reading` holds how else the source was read, where that is not as usual.
    """

    name: str
    labels: str | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The network, input, task and data of a run.

    Attributes:
        network: the network.
        input: the kind of its input.
        task: the task that it is trained on.
        data: the data it was trained on; None where that is not known.
        attention: the plan by which attention was inserted after the network was built; None without.
    """

    network: NetworkRecord
    input: InputRecord
    task: TaskRecord
    data: DataRecord | None = None
    attention: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return encode(self)  # type: ignore[return-value]

    @classmethod
    def from_json(cls, record: Any, where: str) -> "RunRecord":
        """The record that `to_json` wrote.

        Args:
            record: the contents of the file.
            where: the file, for errors.

        Raises:
            CheckpointError: a field is missing, unknown or of another type; the text names file, field and remedy.
        """
        return decode(cls, record, where, remedy=_REMEDY, error=CheckpointError)


_REMEDY = (
    "it was written by another version of regard or by another program, so the network cannot be built from it. Train "
    "again with this version, or read it with the version that wrote it"
)
