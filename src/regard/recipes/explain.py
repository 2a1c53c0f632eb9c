"""What a trained network looks at in an image: maps, overlays, channel weights, and a folder to keep them in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor, nn

from regard import data, models, training
from regard.core.devices import device_of
from regard.core.errors import DataError, OptionError, ShapeError
from regard.core.options import at_least, one_of
from regard.core.records import Map
from regard.data.account import Tally, printable
from regard.data.reading import tensor_of
from regard.explanation import ActiveChannels, look
from regard.explanation.paths import Paths, tapped
from regard.recipes.explain_text import ExplainedTexts, explain_texts
from regard.recipes.glimpse_paths import path_of
from regard.recipes.image_files import image_files, warn_of_unlike
from regard.recipes.network import load_network
from regard.recipes.texts import input_kind, load_text_network
from regard.recipes.versions import versions
from regard.report import Overlay, overlay
from regard.report.explanation_drawing import MapView, TopChannels
from regard.report.explanation_files import Contents, save_explanation
from regard.report.glimpse_figure import GlimpsePath

if TYPE_CHECKING:
    import PIL.Image

SHIPPED = ("regard.models", "pretrained", "se_fashion.safetensors")
"""The small trained network that comes with the package: its package, folder and file."""

Network = nn.Module | str | Path | None
Image: TypeAlias = "Tensor | PIL.Image.Image | str | Path"


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """What one network did with one image.

    Attributes:
        network: the network's name.
        image: (c, h, w) uint8, what the network saw.
        source: the image's file, or what it was given as.
        classes: names of the classes; empty where they are not known.
        probabilities: of each class; empty where the network returned no scores of classes. Independent of one
            another where an image may have several classes.
        maps: each map of the image under its name: its tap's path, of the tap's second step `PATH#2`.
        ranges: under the same names the smallest and largest value that the tap can pass.
        active: the channels that are weighed most, for the maps that weigh channels.
        glimpses: how it looked, of a network that does so through glimpses.
    """

    network: str
    image: Tensor
    source: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    maps: Mapping[str, Map]
    ranges: Mapping[str, tuple[float, float]]
    active: Mapping[str, ActiveChannels]
    glimpses: GlimpsePath | None = None

    def answers(self, most: int = 5) -> tuple[tuple[str, float], ...]:
        """The likeliest classes with their probabilities; `class 3` where classes have no names."""
        order = sorted(range(len(self.probabilities)), key=lambda k: -self.probabilities[k])[:most]
        return tuple((self.classes[k] if self.classes else f"class {k}", self.probabilities[k]) for k in order)

    def overlays(self) -> dict[str, Overlay]:
        """Every map of positions over the image, on its own scale."""
        found = {}
        for name, map in self.maps.items():
            positions = map.positions()
            if positions is not None and positions.ndim == 3:
                found[name] = overlay(self.image, positions[0])
        return found

    def save(self, folder: str | Path) -> Path:
        """Writes figures, arrays and a manifest into `folder`; see `regard.report.explanation_files`.

        Returns:
            The folder.

        Raises:
            RunError: the folder has files of these names that are no explanation's, or cannot be written to.
        """
        laid = self.overlays()
        return save_explanation(
            Contents(
                network=self.network,
                source=self.source,
                image=self.image,
                answers=self.answers(len(self.classes) or 5),
                maps=[
                    MapView(name, map, *self.ranges[name], _weighed(self.active.get(name)), laid.get(name))
                    for name, map in self.maps.items()
                ],
                versions=versions(),
                glimpses=self.glimpses,
            ),
            Path(folder),
        )

    def __str__(self) -> str:
        lines = [f"{self.network} on {self.source}"]
        lines += [f"  {name}: {100 * probability:.1f} %" for name, probability in self.answers(3)]
        for name, map in self.maps.items():
            values = map.values
            shape = " x ".join(str(n) for n in values.shape[1:])
            lines.append(f"  {name}: {map.kind} {shape}, {values.min():.3f} to {values.max():.3f}")
        return "\n".join(lines)


def _weighed(active: ActiveChannels | None) -> TopChannels | None:
    """The channels of the first image."""
    if active is None:
        return None
    return TopChannels(
        channels=active.channels[0].numpy(),
        weights=active.weights[0].numpy(),
        branches=None if active.branches is None else active.branches[0].numpy(),
        features=None if active.features is None else active.features[0].numpy(),
    )


@dataclass(frozen=True)
class Explained:
    """What `explain_images` made: each image's explanation, the folder it is in, and what became of every file."""

    explanations: tuple[Explanation, ...]
    folders: tuple[Path, ...]
    account: data.Account

    def __str__(self) -> str:
        pairs = zip(self.explanations, self.folders, strict=True)
        lines = [f"{explanation}\n  -> {folder / 'summary.png'}" for explanation, folder in pairs]
        return "\n".join(lines + ([] if self.account.complete else [str(self.account)]))


def explain(
    net: Network,
    image: Image,
    *,
    classes: Sequence[str] = (),
    preprocessing: data.Preprocessing | None = None,
    top: int = 8,
    paths: Paths = None,
) -> Explanation:
    """Runs a network on one image and keeps what its attention did.

    Args:
        net: a network with taps, the path of a run or weights file, or None for the small trained network that comes
            with regard. A network is put back as it was.
        image: a file, a PIL image, a uint8 tensor (c, h, w), or a floating-point tensor (c, h, w) exactly as the
            network takes it.
        classes: names of the classes; a run or weights file knows its own.
        preprocessing: how an image becomes what the network takes; a run or weights file knows its own. For a bare
            network without: the image's own size, values from 0 to 1.
        top: how many of the most weighed channels to keep with their features.
        paths: which taps; if None all of them, in a bag of patches those that look at whole images.

    Returns:
        A frozen record; `.save(folder)` draws it.

    Raises:
        RegardError: no taps, an image that cannot be read, a file that is no network's.
    """
    return _explained(_seer(net, tuple(classes), preprocessing), image, top, paths)


def explain_images(
    images: Sequence[str] = (),
    *,
    run: str | None = None,
    out: str = "runs/explanation",
    top: int = 8,
    beams: int = 1,
    on_bad: Literal["skip", "fail"] = "skip",
    device: training.DeviceName = "auto",
    threads: int | None = None,
) -> Explained | ExplainedTexts:
    """Shows what a trained network's attention does with images or text: overlays, channel weights, alignments.

    Args:
        images: files and folders; without any, one validation image of fashion-mini. For a network that takes text,
            texts, files with a text on each line, and - for the lines of the standard input.
        run: folder of a run, or a weights file; without, the small trained network that comes with regard.
        out: the folder that gets a folder for each image.
        top: how many of the most weighed channels are shown with their features.
        beams: of the search for text; 1 takes the likeliest symbol each time.
        on_bad: whether an image that cannot be read is left out and named, or an error.
        device: where the network runs.
        threads: processor threads; None for all of them.

    Returns:
        The explanations and their folders.

    Raises:
        RegardError: an image or network that cannot be used, or a folder that cannot be written to.
    """
    training.set_threads(threads)
    one_of("explain", "on_bad", on_bad, ("skip", "fail"))
    at_least("explain", "beams", beams, 1)
    if run is not None and input_kind(run) == "text":
        place = training.resolve_device(device)
        return explain_texts(load_text_network(run), images, out=out, beams=beams, on_bad=on_bad, device=place)
    files, tally = image_files("explain", images, on_bad) if images else ([], Tally(1))
    seer = _seer(run, (), None)
    seer.net.to(training.resolve_device(device))
    if seer.preprocessing is not None:
        warn_of_unlike(files, seer.preprocessing)
    named: list[tuple[str, Image]] = [(printable(path.stem), path) for path in files]
    found: list[Explanation] = []
    folders: list[Path] = []
    for name, image in named or [_own_image()]:
        try:
            found.append(_explained(seer, image, top, None))
        except data.BadImageError as error:
            if on_bad == "fail" or error.image is None:
                raise
            tally.left_out.append(data.LeftOut(error.image.path, error.image.reason))
            continue
        folders.append(found[-1].save(_unused(Path(out) / name, folders)))
    account = tally.settled({"explained": len(found)})
    if not found:
        raise DataError(f"explain: no image of {len(account.bad)} could be read; the first: {account.bad[0]}.")
    return Explained(tuple(found), tuple(folders), account)


def _own_image() -> tuple[str, Tensor]:
    return "fashion-mini", data.open_source("fashion-mini").splits["val"].read(0)


def _unused(folder: Path, taken: Sequence[Path]) -> Path:
    """`folder`, numbered where another image of the same name has it already."""
    number = 2
    while folder in taken:
        folder = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return folder


@dataclass(frozen=True)
class _Seer:
    """A network that is ready to look, with what is known of it."""

    net: nn.Module
    name: str
    classes: tuple[str, ...]
    preprocessing: data.Preprocessing | None
    multi_label: bool = False


def _seer(net: Network, classes: tuple[str, ...], preprocessing: data.Preprocessing | None) -> _Seer:
    if isinstance(net, nn.Module):
        return _Seer(net, type(net).__name__, classes, preprocessing)
    if net is None:
        with as_file(package_files(SHIPPED[0]).joinpath(*SHIPPED[1:])) as path:
            loaded = load_network(path)
    else:
        loaded = load_network(net)
    known = preprocessing or loaded.preprocessing
    return _Seer(loaded.net, loaded.name, classes or loaded.classes, known, loaded.multi_label)


def _explained(seer: _Seer, image: Image, top: int, paths: Paths) -> Explanation:
    at_least("explain", "top", top, 1)
    paths = models.image_taps(seer.net) if paths is None else paths
    inputs, shown = _prepared(image, seer)
    looks = look(seer.net, inputs.to(device_of(seer.net)), k=top, paths=paths, device="cpu")
    maps, taps = looks.maps.by_name(), tapped(seer.net, paths)
    return Explanation(
        network=seer.name,
        image=shown,
        source=printable(image) if isinstance(image, str | Path) else getattr(image, "filename", "") or "an image",
        classes=seer.classes,
        probabilities=_probabilities(looks.answers, seer),
        maps=maps,
        ranges={name: (taps[map.path].low, taps[map.path].high) for name, map in maps.items()},
        active=looks.active,
        glimpses=path_of(seer.net, looks, inputs, seer.preprocessing, seer.classes),
    )


def _prepared(image: Image, seer: _Seer) -> tuple[Tensor, Tensor]:
    """What the network takes (1, c, h, w), and the same for people, (c, h, w) uint8."""
    channels = seer.preprocessing.channels if seer.preprocessing else _channels(seer.net)
    if isinstance(image, str | Path):
        known = seer.preprocessing.value_range if seer.preprocessing else None
        image = data.read_image(image, channels, value_range=known)
    elif not isinstance(image, Tensor):
        image = _pixels(image, channels)
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or not image.numel():
        raise ShapeError(f"explain: the image has shape {tuple(image.shape)}; it must be one image, (c, h, w).")
    if image.is_floating_point():
        return image[None], _for_people(image, seer.preprocessing)
    if seer.preprocessing is None:
        return image[None].float() / 255, _for_people(image.float() / 255, None)
    prepared = seer.preprocessing.eval()(image.to(torch.uint8))
    return prepared[None], seer.preprocessing.restore(prepared)


def _pixels(image: "PIL.Image.Image", channels: int) -> Tensor:
    from PIL.Image import Image as PILImage

    if not isinstance(image, PILImage):
        raise OptionError(
            f"explain: the image is a {type(image).__name__}; give a file, a PIL image or a tensor (c, h, w): of an "
            "array (h, w, c) that is torch.from_numpy(array).permute(2, 0, 1)."
        )
    try:
        return tensor_of(image, channels)
    except Exception as error:  # Pillow decodes only now, and decoders raise almost anything
        raise DataError(f"explain: the image, of mode {image.mode}, cannot be used: {error}.") from error


def _for_people(image: Tensor, preprocessing: data.Preprocessing | None) -> Tensor:
    """The image behind what the network takes; without preprocessing, values outside 0 to 1 are stretched to it."""
    if preprocessing is not None:
        return preprocessing.restore(image.detach().cpu())
    image = image.detach().float().cpu()
    image = image if image.shape[0] in (1, 3) else image.mean(0, keepdim=True)
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / max(high - low, 1e-12)
    return (image * 255).round().to(torch.uint8)


def _channels(net: nn.Module) -> int:
    """How many channels the first convolution takes: 1 or, in doubt, 3."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return 1 if module.in_channels == 1 else 3
    return 3


def _probabilities(outputs: object, seer: _Seer) -> tuple[float, ...]:
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        return ()
    if seer.classes and outputs.shape[1] != len(seer.classes):
        raise ShapeError(
            f"explain: {seer.name} gives scores of {outputs.shape[1]} classes, but {len(seer.classes)} are named: "
            "name each class once, in the order of the scores."
        )
    scores = outputs[0].float().cpu()
    return tuple((scores.sigmoid() if seer.multi_label else scores.softmax(0)).tolist())
