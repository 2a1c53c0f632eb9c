"""`regard explain`: the attention maps of a trained network for an image, as overlays, arrays and figures."""

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
from regard.data.reading import to_tensor
from regard.explanation import ActiveChannels, look
from regard.explanation.paths import Paths, find_taps
from regard.recipes.captioning import load_captioner
from regard.recipes.clips import CLIP_MODELS, load_clip_network
from regard.recipes.explain_caption import ExplainedCaptions, explain_captions
from regard.recipes.explain_clip import ExplainedClips, explain_clips
from regard.recipes.explain_text import ExplainedTexts, explain_texts
from regard.recipes.glimpse_paths import path_of
from regard.recipes.image_files import image_files, warn_of_unlike
from regard.recipes.insertion import show_own_attention
from regard.recipes.kinds import kind_of_run
from regard.recipes.network import load_network
from regard.recipes.texts import load_text_network
from regard.recipes.versions import versions
from regard.report import Overlay, overlay
from regard.report.explanation_drawing import MapView, TopChannels
from regard.report.explanation_files import Contents, save_explanation
from regard.report.glimpse_figure import GlimpsePath

if TYPE_CHECKING:
    import PIL.Image

SHIPPED = ("regard.models", "pretrained", "se_fashion.safetensors")
"""The small trained network that comes with regard: its package, folder and file."""

Network = nn.Module | str | Path | None
Image: TypeAlias = "Tensor | PIL.Image.Image | str | Path"


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """The predictions and attention maps of one network for one image.

    Attributes:
        network: name of the network.
        image: (c, h, w) uint8, the preprocessed image.
        source: the image's file, or a description of it.
        classes: names of the classes; empty if not known.
        probabilities: probability of each class; empty if the network returned no class scores. Independent of one
            another if an image may have several classes.
        maps: each map of the image by name: its tap's path, or `PATH#2` for the tap's second step.
        ranges: the smallest and largest possible value of each map, by the same names.
        active: the channels with the largest weights, for maps with channel weights.
        glimpses: the path of the glimpses, of a network that takes them.
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
        """Returns the most likely classes with their probabilities; `class 3` if classes have no names."""
        order = sorted(range(len(self.probabilities)), key=lambda k: -self.probabilities[k])[:most]
        return tuple((self.classes[k] if self.classes else f"class {k}", self.probabilities[k]) for k in order)

    def overlays(self) -> dict[str, Overlay]:
        """Returns an overlay of every map of positions on the image, each on its own scale."""
        found = {}
        for name, attn in self.maps.items():
            positions = attn.positions()
            if positions is not None and positions.ndim == 3:
                found[name] = overlay(self.image, positions[0])
        return found

    def save(self, folder: str | Path) -> Path:
        """Writes figures, arrays and a manifest to `folder`; see `regard.report.explanation_files`.

        Returns:
            The folder.

        Raises:
            RunError: the folder has other files with these names, or cannot be written to.
        """
        overlays = self.overlays()
        return save_explanation(
            Contents(
                network=self.network,
                source=self.source,
                image=self.image,
                answers=self.answers(len(self.classes) or 5),
                maps=[
                    MapView(name, attn, *self.ranges[name], _channel_weights(self.active.get(name)), overlays.get(name))
                    for name, attn in self.maps.items()
                ],
                versions=versions(),
                glimpses=self.glimpses,
            ),
            Path(folder),
        )

    def __str__(self) -> str:
        lines = [f"{self.network} on {self.source}"]
        lines += [f"  {name}: {100 * probability:.1f} %" for name, probability in self.answers(3)]
        for name, attn in self.maps.items():
            values = attn.values
            shape = " x ".join(str(n) for n in values.shape[1:])
            lines.append(f"  {name}: {attn.kind} {shape}, {values.min():.3f} to {values.max():.3f}")
        return "\n".join(lines)


def _channel_weights(active: ActiveChannels | None) -> TopChannels | None:
    """Returns the most active channels of the first image."""
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
    """The explanation of each image, its folder, and an account of the files."""

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
    """Runs a network on one image and records its attention maps.

    Args:
        net: a network with taps, the path of a run or weights file, or None for the small trained network that comes
            with regard. The network's state is restored afterwards.
        image: a file, a PIL image, a uint8 tensor (c, h, w), or a floating-point tensor (c, h, w) that is already
            preprocessed.
        classes: names of the classes; by default those of the run or weights file.
        preprocessing: how an image is preprocessed; by default as in the run or weights file. Without any: the image's
            own size, values from 0 to 1.
        top: number of channels with the largest weights to keep with their features.
        paths: taps to record; None for all, in a bag of patches for those over whole images.

    Returns:
        A frozen record; `.save(folder)` writes it as figures.

    Raises:
        RegardError: no taps, an image that cannot be read, or a file without a network.
    """
    return _explain(_subject(net, tuple(classes), preprocessing), image, top, paths)


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
) -> Explained | ExplainedClips | ExplainedTexts | ExplainedCaptions:
    """Shows the attention maps of a trained network for images, clips, sounds or texts.

    Args:
        images: image files and folders; by default one validation image of fashion-mini. For a network that takes text,
            texts, files with a text on each line, and - for the lines of the standard input. For one of clips or
            sounds, a source of them as clips:PATH, whose first eight are shown; by default four validation clips.
        run: folder of a training run, or a weights file; by default the small trained network that comes with regard.
        out: folder to write to; each image gets a folder in it.
        top: number of channels with the largest weights to show with their features.
        beams: beams of the search for a text; 1 takes the likeliest symbol each time.
        on_bad: leave out images that cannot be read and list them (`skip`), or stop (`fail`).
        device: device to compute on.
        threads: number of CPU threads; all by default.

    Returns:
        The explanations and their folders.

    Raises:
        RegardError: an image or network that cannot be used, or a folder that cannot be written to.
    """
    training.set_threads(threads)
    one_of("explain", "on_bad", on_bad, ("skip", "fail"))
    at_least("explain", "beams", beams, 1)
    kind = "image" if run is None else kind_of_run(run)
    if run is not None and kind == "caption":
        torch_device = training.resolve_device(device)
        captioner = load_captioner(run)
        return explain_captions(captioner, images, out=out, beams=beams, on_bad=on_bad, device=torch_device)
    if run is not None and kind in CLIP_MODELS:
        torch_device = training.resolve_device(device)
        return explain_clips(load_clip_network(run), images, out=out, on_bad=on_bad, device=torch_device)
    if run is not None and kind == "text":
        torch_device = training.resolve_device(device)
        return explain_texts(load_text_network(run), images, out=out, beams=beams, on_bad=on_bad, device=torch_device)
    files, tally = image_files("explain", images, on_bad) if images else ([], Tally(1))
    subject = _subject(run, (), None)
    subject.net.to(training.resolve_device(device))
    if subject.preprocessing is not None:
        warn_of_unlike(files, subject.preprocessing)
    named: list[tuple[str, Image]] = [(printable(path.stem), path) for path in files]
    found: list[Explanation] = []
    folders: list[Path] = []
    for name, image in named or [_own_image()]:
        try:
            found.append(_explain(subject, image, top, None))
        except data.BadImageError as error:
            if on_bad == "fail" or error.image is None:
                raise
            tally.left_out.append(data.LeftOut(error.image.path, error.image.reason))
            continue
        folders.append(found[-1].save(_unused_folder(Path(out) / name, folders)))
    account = tally.settle({"explained": len(found)})
    if not found:
        raise DataError(f"explain: no image of {len(account.bad)} could be read; the first: {account.bad[0]}.")
    return Explained(tuple(found), tuple(folders), account)


def _own_image() -> tuple[str, Tensor]:
    return "fashion-mini", data.open_source("fashion-mini").splits["val"].read(0)


def _unused_folder(folder: Path, taken: Sequence[Path]) -> Path:
    """Returns `folder`, with a number if another image of the same name already uses it."""
    number = 2
    while folder in taken:
        folder = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return folder


@dataclass(frozen=True)
class _Subject:
    """A network that is ready to run, with its name, classes and preprocessing."""

    net: nn.Module
    name: str
    classes: tuple[str, ...]
    preprocessing: data.Preprocessing | None
    multi_label: bool = False


def _subject(net: Network, classes: tuple[str, ...], preprocessing: data.Preprocessing | None) -> _Subject:
    if isinstance(net, nn.Module):
        return _Subject(net, type(net).__name__, classes, preprocessing)
    if net is None:
        with as_file(package_files(SHIPPED[0]).joinpath(*SHIPPED[1:])) as path:
            loaded = load_network(path)
    else:
        loaded = load_network(net)
    known = preprocessing or loaded.preprocessing
    return _Subject(show_own_attention(loaded.net), loaded.name, classes or loaded.classes, known, loaded.multi_label)


def _explain(subject: _Subject, image: Image, top: int, paths: Paths) -> Explanation:
    at_least("explain", "top", top, 1)
    paths = models.image_taps(subject.net) if paths is None else paths
    inputs, shown = _prepare(image, subject)
    looks = look(subject.net, inputs.to(device_of(subject.net)), k=top, paths=paths, device="cpu")
    maps, taps = looks.maps.by_name(), find_taps(subject.net, paths)
    return Explanation(
        network=subject.name,
        image=shown,
        source=printable(image) if isinstance(image, str | Path) else getattr(image, "filename", "") or "an image",
        classes=subject.classes,
        probabilities=_probabilities(looks.answers, subject),
        maps=maps,
        ranges={name: (taps[attn.path].low, taps[attn.path].high) for name, attn in maps.items()},
        active=looks.active,
        glimpses=path_of(subject.net, looks, inputs, subject.preprocessing, subject.classes),
    )


def _prepare(image: Image, subject: _Subject) -> tuple[Tensor, Tensor]:
    """Returns the network's input, (1, c, h, w), and the same as an image to show, (c, h, w) uint8."""
    channels = subject.preprocessing.channels if subject.preprocessing else _channels(subject.net)
    if isinstance(image, str | Path):
        known = subject.preprocessing.value_range if subject.preprocessing else None
        image = data.read_image(image, channels, value_range=known)
    elif not isinstance(image, Tensor):
        image = _pixels(image, channels)
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or not image.numel():
        raise ShapeError(f"explain: the image has shape {tuple(image.shape)}; it must be one image, (c, h, w).")
    if image.is_floating_point():
        return image[None], _to_image(image, subject.preprocessing)
    if subject.preprocessing is None:
        return image[None].float() / 255, _to_image(image.float() / 255, None)
    prepared = subject.preprocessing.eval()(image.to(torch.uint8))
    return prepared[None], subject.preprocessing.restore(prepared)


def _pixels(image: "PIL.Image.Image", channels: int) -> Tensor:
    from PIL.Image import Image as PILImage

    if not isinstance(image, PILImage):
        raise OptionError(
            f"explain: the image is a {type(image).__name__}; give a file, a PIL image or a tensor (c, h, w): of an "
            "array (h, w, c) that is torch.from_numpy(array).permute(2, 0, 1)."
        )
    try:
        return to_tensor(image, channels)
    except Exception as error:  # Pillow decodes only now, and decoders raise almost anything
        raise DataError(f"explain: the image, of mode {image.mode}, cannot be used: {error}.") from error


def _to_image(image: Tensor, preprocessing: data.Preprocessing | None) -> Tensor:
    """Returns the preprocessed image as uint8; without preprocessing, values outside 0 to 1 are rescaled to it."""
    if preprocessing is not None:
        return preprocessing.restore(image.detach().cpu())
    image = image.detach().float().cpu()
    image = image if image.shape[0] in (1, 3) else image.mean(0, keepdim=True)
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / max(high - low, 1e-12)
    return (image * 255).round().to(torch.uint8)


def _channels(net: nn.Module) -> int:
    """Returns the channels that the network or its first convolution takes: 1 or, if unknown, 3."""
    if getattr(net, "in_channels", None) == 1:
        return 1
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return 1 if module.in_channels == 1 else 3
    return 3


def _probabilities(outputs: object, subject: _Subject) -> tuple[float, ...]:
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        return ()
    if subject.classes and outputs.shape[1] != len(subject.classes):
        raise ShapeError(
            f"explain: {subject.name} returns scores of {outputs.shape[1]} classes, but {len(subject.classes)} are "
            "named: name each class once, in the order of the scores."
        )
    scores = outputs[0].float().cpu()
    return tuple((scores.sigmoid() if subject.multi_label else scores.softmax(0)).tolist())
