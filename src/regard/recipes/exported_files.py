"""The formats of an exported network, ONNX and torch.export: writing with metadata, and reading back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.export import ExportedProgram

from regard.core.errors import DependencyError, ExportError, OptionError
from regard.core.options import at_least
from regard.recipes.exportable import AXES, INPUT, OUTPUT, is_free, quiet, reason

if TYPE_CHECKING:
    from onnx import ModelProto

Target = Literal["onnx", "pt2"]

OLDEST_OPSET = 18
"""The opset that PyTorch's exporter writes itself: newer ones are converted from it, older ones cannot be."""

METADATA = "metadata.json"
"""The entry of a .pt2 file that holds the metadata."""

_LARGEST = 2**31 - 2**20
"""Bytes of weights that fit into one ONNX file: a protocol buffer has at most 2 GiB."""

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


class Format(Protocol):
    """A kind of file that holds a graph.

    Attributes:
        suffix: the end of the file's name.
        reader: the program that reads it, with its version.
    """

    suffix: ClassVar[str]

    @property
    def reader(self) -> str:
        """The program that reads it, with its version."""
        ...

    def write(self, program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> None:
        """Writes a graph and its metadata."""
        ...

    def read(self, path: Path) -> Callable[[Tensor], Tensor]:
        """Reads a file; returns the function of images that it holds."""
        ...


def format_of(to: Target, opset: int | None) -> Format:
    """Returns the format of that name.

    Raises:
        DependencyError: a package that it needs is not installed.
        OptionError: an opset that cannot be written, or of a format without one.
    """
    if to == "onnx":
        return Onnx(OLDEST_OPSET if opset is None else opset)
    if opset is not None:
        raise OptionError(f"export: opset={opset} is not allowed with --to pt2, which has none: leave it out.")
    return Pt2()


@dataclass(frozen=True)
class Onnx:
    """One .onnx file with the weights inside; each entry of the metadata is one of its `metadata_props`.

    Args:
        opset: version of ONNX's operators.
    """

    opset: int
    suffix: ClassVar[str] = ".onnx"

    def __post_init__(self) -> None:
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            raise DependencyError(
                f"export: --to onnx needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
                "installed: pip install 'regard[onnx]'. --to pt2 needs PyTorch alone."
            )
        import onnx

        newest = onnx.defs.onnx_opset_version()
        if at_least("export", "opset", self.opset, OLDEST_OPSET) > newest:
            raise OptionError(
                f"export: opset={self.opset} is not allowed; onnx {onnx.__version__} has opsets up to {newest}."
            )

    @property
    def reader(self) -> str:
        """The program that reads it, with its version."""
        return f"onnxruntime {version('onnxruntime')}"

    def write(self, program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> None:
        """Writes a graph and its metadata: text as it is, anything else as JSON.

        Raises:
            ExportError: an operator that ONNX or its exporter lacks, or weights of 2 GiB and more.
        """
        import onnx

        size = sum(weights.nbytes for weights in program.state_dict.values())
        if size > _LARGEST:
            raise ExportError(
                f"the weights have {size / 2**30:.1f} GiB, and an ONNX file holds 2 GiB: export with --to pt2."
            )
        model = self._convert(program)
        onnx.helper.set_model_props(model, {key: as_text(value) for key, value in metadata.items()})
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:
            raise ExportError(
                f"the ONNX graph is not valid at opset {self.opset}: {reason(error)}. Choose another --opset, or "
                "export with --to pt2."
            ) from error
        path.write_bytes(model.SerializeToString())

    def read(self, path: Path) -> Callable[[Tensor], Tensor]:
        """Reads a file with onnxruntime, on the CPU; returns the function of images that it holds."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # an error is raised as well
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])

    def _convert(self, program: ExportedProgram) -> "ModelProto":
        sides = {0, 2, 3} if is_free(program) else {0}
        axes = {axis: name for axis, name in AXES.items() if axis in sides}
        try:
            with quiet():
                made = torch.onnx.export(
                    program,
                    dynamo=True,
                    verbose=False,
                    opset_version=self.opset,
                    input_names=[INPUT],
                    output_names=[OUTPUT],
                    dynamic_shapes=(axes,),
                )
        except Exception as error:
            raise ExportError(f"it cannot be written as ONNX: {reason(error)}. Export with --to pt2.") from error
        assert made is not None
        for node in made.model.graph.all_nodes():  # names of the machine's files, and of PyTorch's modules
            node.metadata_props.clear()
        made.model.graph.metadata_props.clear()
        model = made.model_proto
        written = next(entry.version for entry in model.opset_import if entry.domain == "")
        if written != self.opset:
            raise ExportError(
                f"it cannot be written at opset {self.opset}, but at {written}: leave --opset out, or choose another."
            )
        return model


@dataclass(frozen=True)
class Pt2:
    """One .pt2 file of `torch.export`; the metadata are its extra file `metadata.json`."""

    suffix: ClassVar[str] = ".pt2"

    @property
    def reader(self) -> str:
        """The program that reads it, with its version."""
        return f"torch {torch.__version__}"

    def write(self, program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> None:
        """Writes a graph and its metadata.

        Raises:
            ExportError: an operator that PyTorch alone does not have.
        """
        foreign = sorted(_foreign_operators(program))
        if foreign:
            raise ExportError(
                f"its graph uses {', '.join(foreign)}, which PyTorch alone does not have, so no other program could "
                "load it: replace it in the network by PyTorch's own operators."
            )
        with path.open("wb") as file, quiet():
            torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata, ensure_ascii=False)})

    def read(self, path: Path) -> Callable[[Tensor], Tensor]:
        """Reads a file; returns the function of images that it holds."""
        with path.open("rb") as file, quiet():
            graph = torch.export.load(file).module()
        return graph


def as_text(value: object) -> str:
    """Returns text as it is, and anything else as JSON.

    >>> as_text("se"), as_text(["cat", "dog"])
    ('se', '["cat", "dog"]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _foreign_operators(program: ExportedProgram) -> set[str]:
    """The operators of a graph that a package registers, other than PyTorch."""
    targets = (node.target for node in program.graph.nodes if node.op == "call_function")
    return {
        str(target)
        for target in targets
        if isinstance(target, torch._ops.OpOverload) and target.namespace not in ("aten", "prim", "prims")
    }
