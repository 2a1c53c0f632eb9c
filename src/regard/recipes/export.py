"""`regard export`: a trained network as an ONNX or torch.export file that runs without regard."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from regard import training
from regard.core.errors import ExportError, OptionError, RunError
from regard.core.files import replacing
from regard.core.options import flag, one_of, positive
from regard.recipes.exportable import Exportable, capture, exportable, is_free, takes
from regard.recipes.exported_check import (
    TOLERANCE,
    CheckImages,
    Compared,
    check,
    open_check_images,
    other_sizes,
)
from regard.recipes.exported_files import Format, Target, format_of
from regard.recipes.exported_metadata import describe, probabilities, steps
from regard.recipes.kinds import kind_of_run
from regard.recipes.network import Loaded, load_network

_EXAMPLES = 2
"""Images to capture a graph with: one alone would make its length a constant."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The result of an export.

    Attributes:
        path: the file that was written.
        network: name of the network with its attention.
        free: True if the file takes images of other sizes than those of the training.
        fixed_because: reason why it does not, or None.
        reader: the program that the file was checked with.
        images: images that it was checked on.
        compared: the comparison of each batch.
        tolerance: the largest difference that was allowed.
        input: description of the file's input.
        output: description of its output.
        steps: from an image file to the input.
    """

    path: Path
    network: str
    free: bool
    fixed_because: str | None
    reader: str
    images: str
    compared: tuple[Compared, ...]
    tolerance: float
    input: str
    output: str
    steps: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The largest difference of a logit from the run's, in parts of the largest logit."""
        return max(one.difference for one in self.compared)

    def __str__(self) -> str:
        shapes = ", ".join(map(str, self.compared))
        lines = [
            f"{self.network}: {self.path} ({self.path.stat().st_size / 1e6:.1f} MB)",
            f"input: {self.input}",
            *(f"  {number}. {step}" for number, step in enumerate(self.steps, 1)),
            f"output: {self.output}",
            f"checked with {self.reader} on {self.images} of {shapes} (batch x height x width):",
            f"  largest difference {self.difference:.1e} of the largest logit, {self.tolerance:.0e} allowed",
        ]
        if self.fixed_because is not None:
            lines.insert(2, f"  other sizes are not possible: {self.fixed_because}")
        return "\n".join(lines)


def export(
    run: str,
    *,
    to: Target,
    out: Path | None = None,
    preprocessing: bool = False,
    opset: int | None = None,
    data: str | None = None,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
) -> Exported:
    """Writes a trained network for images to a file that runs without regard: ONNX, or torch.export.

    The file takes batches of any length, and images of any size that the network's code takes. Classes, preprocessing
    and provenance are in its metadata. Before it is put in its place, it is read back and its logits are compared with
    those of the run on real images; if they differ, no file is left. An existing file is replaced only then.

    Args:
        run: folder of a training run, or a weights file.
        to: format: onnx, for onnxruntime and other programs; pt2, for PyTorch and AOTInductor.
        out: file to write, .onnx or .pt2; by default beside the weights, as in RUN/weights.onnx.
        preprocessing: take images as uint8 values from 0 to 255, and normalise them inside; the size is the caller's
            task either way, as the metadata describe.
        opset: version of ONNX's operators, 18 or newer; 18 by default, which most programs read.
        data: source of the images for the check; by default the run's validation images, or shipped ones if these
            cannot be opened.
        tolerance: largest difference of a logit that is allowed, in parts of the largest logit.
        threads: number of CPU threads; PyTorch's default if not given.

    Returns:
        The file, its input and output, and the largest difference.

    Raises:
        ExportError: a network that cannot be exported, or whose file computes something else.
        DependencyError: onnx, onnxscript or onnxruntime is not installed.
        RegardError: there is no such run, or it is not one for images with classes.
    """
    one_of("export", "to", to, ("onnx", "pt2"))
    flag("export", "preprocessing", preprocessing)
    positive("export", "tolerance", tolerance)
    training.set_threads(threads)
    _refuse_other_kinds(run)
    form = format_of(to, opset)
    loaded = load_network(run)
    path = loaded.path.with_suffix(form.suffix) if out is None else Path(out).expanduser()
    if path.suffix != form.suffix:
        raise OptionError(f"export: out={str(path)!r} is not allowed with --to {to}: its name ends in {form.suffix}.")
    job = _Job(
        loaded=loaded,
        module=exportable(loaded, preprocessing=preprocessing),
        images=open_check_images(loaded, data),
        form=form,
        path=path,
        tolerance=tolerance,
    )
    try:
        return job.run()
    except ExportError as error:
        raise ExportError(f"export: {loaded.path}, {loaded.name}: {error} No file was written.") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """A network to be exported, and all that it needs."""

    loaded: Loaded
    module: Exportable
    images: CheckImages
    form: Format
    path: Path
    tolerance: float

    def run(self) -> Exported:
        """Writes the file with free sizes if the network allows, else with those of the training."""
        other, because = self._other_size()
        if other is not None:
            try:
                return self._attempt(other)
            except ExportError as error:
                because = str(error).rstrip(".")
        return self._attempt(None, because)

    def _other_size(self) -> tuple[tuple[int, int] | None, str | None]:
        """Returns another size that the network takes, or the reason why it takes none."""
        first = None
        for size in other_sizes(self.loaded.preprocessing.size):
            found = takes(self.module, self._batch(_EXAMPLES, size))
            if found is None:
                return size, None
            first = first or found
        return None, first

    def _attempt(self, other: tuple[int, int] | None, because: str | None = None) -> Exported:
        """Captures, writes and checks the network; `other` is a second size to check, None fixes the sizes."""
        known = self.loaded.preprocessing
        program = capture(self.module, self._batch(_EXAMPLES, known.size), free=other is not None)
        if other is not None and not is_free(program):
            raise ExportError("the code of the network makes them constants of the graph")
        inside = self.module.normalise is not None
        metadata = describe(self.loaded, preprocessing=inside, free=other is not None)
        with replacing(self.path) as aside:
            self.form.write(program, aside, metadata)
            graph = self.form.read(aside)
            sizes = [known.size] if other is None else [known.size, other]
            compared = check(self.module, graph, self.images, sizes, known, self.tolerance)
        return Exported(
            path=self.path,
            network=self.loaded.name,
            free=other is not None,
            fixed_because=because,
            reader=self.form.reader,
            images=self.images.name,
            compared=compared,
            tolerance=self.tolerance,
            input=_describe_input(known.channels, known.size, inside=inside, free=other is not None),
            output=f"logits (batch, {len(self.loaded.classes)}); {probabilities(self.loaded)} makes probabilities of "
            "them; the names of the classes are in the metadata",
            steps=tuple(steps(known, inside=inside)),
        )

    def _batch(self, count: int, size: tuple[int, int]) -> Tensor:
        """Returns images as the exported network takes them."""
        images = self.images.batch(count, size, self.loaded.preprocessing)
        return images if self.module.normalise is not None else self.loaded.preprocessing.normalise()(images)


def _describe_input(channels: int, size: tuple[int, int], *, inside: bool, free: bool) -> str:
    height, width = size
    values = "uint8, 0 to 255" if inside else "float32, normalised"
    if not free:
        return f"images (batch, {channels}, {height}, {width}), {values}; batch is free, the size is fixed"
    return (
        f"images (batch, {channels}, height, width), {values}; batch and size are free, trained at {height} x {width}"
    )


def _refuse_other_kinds(run: str) -> None:
    """Raises an error for a run that does not classify images."""
    kind = kind_of_run(run)
    what = {"caption": "writes about images", "text": "takes texts", "clip": "takes clips", "sound": "takes sounds"}
    if kind in what:
        raise RunError(
            f"export: {run} holds a network that {what[kind]}; only networks that classify images can be exported. Use "
            f"it with regard: `regard predict --run {run}`."
        )
