"""`torchvision:NAME`: the classification sets of torchvision."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from regard.core.errors import DataError, OptionError, unknown_name
from regard.core.spec import Spec, Value
from regard.data.account import Tally
from regard.data.cache import cache_folder
from regard.data.images import ArrayImages, Images
from regard.data.listing import checked_images
from regard.data.reading import to_tensor
from regard.data.source import Holding, Opening, Split

_TRAIN_TEST: Mapping[Split, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
_SPLIT_TWO: Mapping[Split, dict[str, Any]] = {"train": {"split": "train"}, "test": {"split": "test"}}
_SPLIT_THREE: Mapping[Split, dict[str, Any]] = {split: {"split": split} for split in ("train", "val", "test")}


@dataclass(frozen=True)
class TorchvisionSet:
    """One set: its splits, and the attributes of its object with images and labels.

    Attributes:
        name: the class in `torchvision.datasets`.
        splits: constructor arguments of each split.
        images: the attribute with an array of all images, or with their files, or with (file, label) pairs;
            empty if they are made on demand.
        labels: the attribute with the labels; empty if `images` has pairs.
        mirror: True if a mirrored image still belongs to its class.
        options: the options allowed after the name.
    """

    name: str
    splits: Mapping[Split, dict[str, Any]] = field(default_factory=lambda: _TRAIN_TEST)
    images: str = "data"
    labels: str = "targets"
    mirror: bool = True
    options: tuple[str, ...] = ("root", "download")

    @property
    def in_files(self) -> bool:
        """True if the images are in files, not in memory."""
        return self.images not in ("", "data")


TORCHVISION_SETS = (
    TorchvisionSet("MNIST", mirror=False),
    TorchvisionSet("FashionMNIST"),
    TorchvisionSet("KMNIST", mirror=False),
    TorchvisionSet("USPS", mirror=False),
    TorchvisionSet("CIFAR10"),
    TorchvisionSet("CIFAR100"),
    TorchvisionSet("SVHN", _SPLIT_TWO, labels="labels", mirror=False),
    TorchvisionSet("STL10", _SPLIT_TWO, labels="labels"),
    TorchvisionSet("Flowers102", _SPLIT_THREE, "_image_files", "_labels"),
    TorchvisionSet("Food101", _SPLIT_TWO, "_image_files", "_labels"),
    TorchvisionSet("DTD", _SPLIT_THREE, "_image_files", "_labels"),
    TorchvisionSet("FGVCAircraft", _SPLIT_THREE, "_image_files", "_labels"),
    TorchvisionSet("OxfordIIITPet", {"train": {"split": "trainval"}, "test": {"split": "test"}}, "_images", "_labels"),
    TorchvisionSet("GTSRB", _SPLIT_TWO, "_samples", "", mirror=False),
    TorchvisionSet("EuroSAT", {"train": {}}, "samples", ""),
    TorchvisionSet("Imagenette", {"train": {"split": "train"}, "test": {"split": "val"}}, "_samples", ""),
    TorchvisionSet(
        "ImageNet", {"train": {"split": "train"}, "test": {"split": "val"}}, "samples", "", options=("root",)
    ),
    TorchvisionSet(
        "FakeData",
        {"train": {"random_offset": 0}, "test": {"random_offset": 1_000_000}},
        "",
        options=("size", "image_size", "num_classes"),
    ),
)  # fmt: skip


def open_torchvision(text: str, opening: Opening) -> Holding:
    """Opens the set `NAME[:root=FOLDER,download=true]`, with torchvision's own training, validation and test images.

    Missing splits are cut from its training images. If a set has labelled validation images but no labels of its test
    images (ImageNet, Imagenette), the former are the test images. FakeData makes
    random images: `torchvision:FakeData:size=100,image_size=(3,32,32),num_classes=4`.

    Raises:
        UnknownNameError: no such set.
        DataError: the set is missing and `download` is not set, or it cannot be read.
    """
    spec = Spec.parse(text)
    known = {entry.name.lower(): entry for entry in TORCHVISION_SETS}
    if spec.name.lower() not in known:
        raise unknown_name("torchvision set", spec.name, [entry.name for entry in TORCHVISION_SETS])
    entry, name = known[spec.name.lower()], f"torchvision:{text}"
    for option in spec.options:
        if option not in entry.options:
            raise OptionError(f"{name}: there is no option {option!r}; {entry.name} takes {', '.join(entry.options)}.")
    sets = {split: _construct(name, entry, arguments, spec.options) for split, arguments in entry.splits.items()}
    parts, tally = _files(entry, sets, opening) if entry.in_files else (_arrays(entry, sets), None)
    labels = torch.cat([part.labels for part in parts.values()])
    count = 1 + int(labels.max()) if len(labels) else 0
    names = getattr(sets["train"], "classes", None) or range(count)
    classes = tuple(" or ".join(n) if isinstance(n, tuple) else str(n) for n in names)
    if len(set(classes)) < len(classes):
        classes = tuple(f"{name} ({i})" for i, name in enumerate(classes))
    licence = f"See the page of the set {entry.name} in torchvision's documentation, and its authors'."
    return Holding(name, classes, parts, tally=tally, licence=licence, mirror=entry.mirror)


def _construct(name: str, entry: TorchvisionSet, arguments: dict[str, Any], options: Mapping[str, Value]) -> Any:
    """Makes one part of the set, an object of torchvision's class; downloads only with `download`."""
    from torchvision import datasets

    given: dict[str, Any] = dict(options)
    if "root" in entry.options:
        given["root"] = str(Path(str(given.get("root") or cache_folder() / "torchvision")).expanduser())
    try:
        return getattr(datasets, entry.name)(**given, **arguments)
    except Exception as error:  # torchvision, urllib, tarfile and unpicklers each have their own
        where = f" under {given['root']}" if "root" in given else ""
        downloads = "download" in entry.options and not given.get("download")
        remedy = (
            f"Write torchvision:{entry.name}:download=true to download it, or root=FOLDER to read it from a folder."
            if downloads
            else "Check the network, the folder and the disk."
        )
        raise DataError(
            f"{name}: the set could not be opened{where} ({type(error).__name__}: {error}). {remedy}"
        ) from error


def _arrays(entry: TorchvisionSet, sets: Mapping[Split, Any]) -> dict[Split, Images]:
    """Returns the images of each split in memory."""
    parts: dict[Split, Images] = {}
    for split, dataset in sets.items():
        if entry.images:
            images = torch.as_tensor(getattr(dataset, entry.images))
            labels = torch.as_tensor(getattr(dataset, entry.labels)).long()
        else:
            made = [dataset[i] for i in range(len(dataset))]
            images = torch.stack([to_tensor(image, 1 if image.mode == "L" else 3) for image, _ in made])
            labels = torch.tensor([label for _, label in made])
        parts[split] = ArrayImages(_channels_first(images), labels, split)
    return parts


def _files(entry: TorchvisionSet, sets: Mapping[Split, Any], opening: Opening) -> tuple[dict[Split, Images], Tally]:
    """Returns the images of each split as checked files."""
    files: list[Path] = []
    labels: list[int] = []
    owners: list[Split] = []
    for split, dataset in sets.items():
        held = getattr(dataset, entry.images)
        for file, label in zip(held, getattr(dataset, entry.labels), strict=True) if entry.labels else held:
            files.append(Path(file).absolute())
            labels.append(int(label))
            owners.append(split)
    root = Path(os.path.commonpath([file.parent for file in files]))
    names = [file.relative_to(root).as_posix() for file in files]
    tally = Tally(len(names))
    found = checked_images(root, names, torch.tensor(labels), opening, tally)
    kept = [owners[i] for i in found.kept]
    numbers = {split: torch.tensor([i for i, owner in enumerate(kept) if owner == split]).long() for split in sets}
    return {split: found.images.take(chosen) for split, chosen in numbers.items()}, tally


def _channels_first(images: torch.Tensor) -> torch.Tensor:
    """Converts (n, h, w), (n, h, w, c) or (n, c, h, w) to (n, c, h, w) uint8."""
    if images.ndim == 3:
        return images[:, None].contiguous()
    return images.permute(0, 3, 1, 2).contiguous() if images.shape[3] in (1, 3) else images
