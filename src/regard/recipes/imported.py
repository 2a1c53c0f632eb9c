"""`regard import-weights`: a checkpoint of another library, as a weights file of regard."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from regard import models
from regard.core.errors import CheckpointError, OptionError
from regard.core.options import at_least
from regard.core.run_record import InputRecord, NetworkRecord, RunRecord, TaskRecord
from regard.data import Preprocessing
from regard.models.blocks import StrideIn
from regard.models.exchange import Converted, Library, convert_network, rename
from regard.training import save_weights
from regard.training.transfer import read_state

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the channels of ImageNet's images, with which the libraries' networks were trained."""

_SMALL_MEAN, _SMALL_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
"""Of CIFAR-10's images, with which pytorchcv's networks for small images were trained."""


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        path: the weights file that was written.
        file: the file that was read.
        library: the library that it is from.
        network: the network.
        tensors: number of tensors in the new file.
        renamed: number of tensors outside attention that had another name.
        attention: number of attention modules.
        classes: number of classes.
    """

    path: Path
    file: Path
    library: str
    network: str
    tensors: int
    renamed: int
    attention: int
    classes: int

    def __str__(self) -> str:
        gates = f"; {self.attention} attention modules were read in {self.library}'s layout" * (self.attention > 0)
        return (
            f"{self.file} from {self.library}: all {self.tensors} tensors of {self.network} with {self.classes} "
            f"classes were mapped and have its shapes; {self.renamed} were renamed{gates}.\n"
            f"weights: {self.path}\n"
            f"next: regard evaluate {self.path} --data folder:IMAGES   or   regard predict IMAGES --run {self.path}"
        )


def import_weights(
    file: Path,
    *,
    from_: Library,
    model: str,
    attention: str | None = None,
    stride_in: StrideIn | None = None,
    classes: Path | None = None,
    size: int | None = None,
    out: Path | None = None,
) -> Imported:
    """Converts a checkpoint of another library to a weights file of regard, completely or not at all.

    Every tensor is renamed, brought into our shape and checked; nothing in the file is executed. The result can be
    evaluated, explained, ablated and trained further.

    Args:
        file: the checkpoint, .pth or .safetensors.
        from_: the library that it is from; official means the authors' own PyTorch code.
        model: network that the weights were trained in, as in se_resnet50; `regard list --networks` shows the published
            ones.
        attention: mechanism of a plain network, as in se:min_hidden=8 for timm's seresnet18.
        stride_in: convolution with the stride, if it is not the network's usual one, as 1x1 for pytorchcv's seresnet50.
        classes: text file with the names of the classes, one on each line in the order of the outputs; by default they
            are numbered.
        size: side of the square input in pixels; the shorter side of an image is brought to 8/7 of it before the middle
            is cut out, but the whole image to the size of a network for small images. By default 224, or 32 for those.
        out: the .safetensors file to write; by default MODEL.safetensors.

    Returns:
        What was mapped, and the path of the new file.

    Raises:
        CheckpointError: the file is damaged, contains more than tensors, or is of another network; the message names
            the first tensor that does not fit.
        OptionError: a network or an option that does not exist, or another number of classes.
    """
    file, out = Path(file).expanduser(), Path(out or f"{model}.safetensors").expanduser()
    if out.suffix != ".safetensors":
        raise OptionError(f"out={str(out)!r} is not allowed: the name of a weights file ends in .safetensors.")
    at_least("import-weights", "size", 1 if size is None else size, 1)
    options: dict[str, Any] = {"attention": attention, "stride_in": stride_in}
    options = {name: value for name, value in options.items() if value is not None}
    if _is_ours(model):  # a wrong name is reported before the file is read
        _outline(model, options)
    state = read_state(file)
    try:
        net = _network(model, options, state, from_)
        done = convert_network(net, state, from_)
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}") from error
    names = _class_names(classes, net.fc.out_features)
    network = NetworkRecord(name=model, options=options)
    channels = net.in_channels
    record = RunRecord(
        network=network,
        input=InputRecord(kind="image", options=_preprocessing(model, channels, size, file).to_json()),
        task=TaskRecord(name="classification", options={"multi_label": False}, classes=names),
    )
    save_weights(out, done.state, {"run": record.to_json(), "imported": _provenance(file, from_, done)})
    return Imported(out, file, from_, str(network), len(done.state), done.renamed, done.attention, len(names))


_FIRST = ("conv1.weight", "conv1.0.weight", "embed1.conv.weight")
"""The names that the first convolution of a network may have."""


def _network(model: str, options: dict[str, Any], state: dict[str, Tensor], library: Library) -> Any:
    """Builds the network with the classes and the channels of images that the weights show."""
    outline = _outline(model, options) if _is_ours(model) else nn.Module()
    names = rename(outline, state, library)
    head = state.get(names.get("fc.weight", ""))
    first = next((state[names[name]] for name in _FIRST if name in names), None)
    sizes: dict[str, Any] = {
        "num_classes": head.shape[0] if head is not None and head.ndim == 2 else 1000,
        "in_channels": first.shape[1] if first is not None and first.ndim == 4 else 3,
    }
    return models.create(model, seed=0, **sizes, **options)


def _outline(model: str, options: dict[str, Any]) -> nn.Module:
    return models.outline(model, attention=options.get("attention"))


def _is_ours(model: str) -> bool:
    return ":" not in model and model not in ("ram", "cnn")


def _preprocessing(model: str, channels: int, size: int | None, file: Path) -> Preprocessing:
    if channels not in (1, 3):
        raise CheckpointError(f"{file}: the weights are for images of {channels} channels; regard reads 1 or 3.")
    usual = models.PUBLISHED[model].side if model in models.PUBLISHED else 224
    small = usual < 224
    colours = (_SMALL_MEAN, _SMALL_STD) if small else (_MEAN, _STD)
    mean, std = colours if channels == 3 else ((sum(values) / 3,) for values in colours)
    side = size or usual
    return Preprocessing(size=(side, side), channels=channels, mean=mean, std=std, resize="exact" if small else "crop")


def _class_names(file: Path | None, count: int) -> tuple[str, ...]:
    if file is None:
        return tuple(f"{index:0{len(str(count - 1))}}" for index in range(count))
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"classes={str(file)!r} cannot be read as text: {error}.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != count or len(set(names)) != count:
        raise OptionError(
            f"classes={str(file)!r} has {len(names)} names, {len(set(names))} different ones, and the weights have "
            f"{count} classes: write one name on each line, in the order of the outputs."
        )
    return names


def _provenance(file: Path, library: Library, done: Converted) -> dict[str, Any]:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    facts = {"file": file.name, "sha256": digest.hexdigest(), "library": library}
    return {**facts, "renamed": done.renamed, "attention": done.attention}
