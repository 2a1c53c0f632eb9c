"""Rendered text with a known orientation: lines that are upright or upside down, pages that are turned.

Every image is a function of (seed, split, index). The text is that of the Apache License at the root, so that nothing
is fetched and nothing changes; letters are those of DejaVu and STIX, which come with matplotlib. What could give an
orientation away besides the letters (background, noise, blur, slant) is drawn alike for all orientations.
"""

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

from regard.core.batch import ImageBatch
from regard.core.seeding import key

ROOT = Path(__file__).parents[2]
FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
)
LINE_HEIGHT, LINE_WIDTH = 48, 192
PAGE_SHORT, PAGE_SIDE = 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Split = Literal["train", "val"]


@dataclass(frozen=True)
class Task:
    """What a network tells.

    Attributes:
        classes: the names of the orientations; images of class k are turned by k times 360 / classes degrees.
        name: of one image, in the plural.
        plain: draws black on white, without slant, blur and noise; text, font and class stay the same.
    """

    classes: tuple[str, ...]
    name: str
    plain: bool = False

    def draw(self, index: int, split: Split, seed: int) -> tuple[Image.Image, int]:
        """The image of that index as it is seen, and its class."""
        random = np.random.default_rng(key("pretrained", self.name, seed, split, index))
        label = int(random.integers(len(self.classes)))
        upright = line_image(random, plain=self.plain) if self.name == "lines" else page_image(random)
        turned = upright.rotate(-360 * label / len(self.classes), expand=True)
        return turned if self.plain else _worn(turned, random), label

    def widths(self, count: int, split: Split, *, seed: int = 0) -> Tensor:
        """(count,) the widths of the images over their heights."""
        sizes = (self.draw(index, split, seed)[0].size for index in range(count))
        return torch.tensor([wide / high for wide, high in sizes])

    def batches(self, count: int, split: Split, *, seed: int = 0, size: int = 50) -> list[ImageBatch]:
        """Preprocessed images with their labels, the same at every call."""
        prepare = prepare_line if self.name == "lines" else prepare_page
        drawn = [self.draw(index, split, seed) for index in range(count)]
        images = torch.stack([prepare(image) for image, _ in drawn])
        labels = torch.tensor([label for _, label in drawn])
        parts = zip(images.split(size), labels.split(size), torch.arange(count).split(size), strict=True)
        return [ImageBatch(*part) for part in parts]


LINES = Task(("upright", "upside down"), "lines")
PLAIN_LINES = replace(LINES, plain=True)
PAGES = Task(("0", "90", "180", "270"), "pages")


def line_image(random: Generator, *, plain: bool = False) -> Image.Image:
    """One to four words in one colour on another, slightly slanted, with a margin; plainly in black on white."""
    words, first = license_words(), int(random.integers(len(license_words()) - 4))
    text = " ".join(words[first : first + int(random.integers(1, 5))])
    if random.random() < 0.2:
        text += f" {random.integers(10_000)}"
    text = (text, text.upper(), text.title())[int(random.choice(3, p=(0.7, 0.15, 0.15)))]
    font = load_font(str(random.choice(FONTS)), int(random.integers(28, 49)))
    left, top, right, bottom = font.getbbox(text)
    margins = random.uniform(0.08, 0.35, 4) * (bottom - top)
    size = (right - left + margins[0] + margins[1], bottom - top + margins[2] + margins[3])
    paper, ink = ((255, 255, 255), (0, 0, 0)) if plain else _colours(random)
    image = Image.new("RGB", (math.ceil(size[0]), math.ceil(size[1])), paper)
    ImageDraw.Draw(image).text((margins[0] - left, margins[2] - top), text, ink, font)
    if plain:
        return image
    return image.rotate(float(random.uniform(-2, 2)), Image.Resampling.BICUBIC, fillcolor=paper)


def page_image(random: Generator) -> Image.Image:
    """A page with a heading and lines of one font, in one colour on another."""
    wide, high = int(random.integers(420, 640)), int(random.integers(480, 820))
    paper, ink = _colours(random)
    image = Image.new("RGB", (wide, high), paper)
    name, size = str(random.choice(FONTS)), int(random.integers(18, 33))
    font, heading = load_font(name, size), load_font(name, int(1.5 * size))
    draw, margin = ImageDraw.Draw(image), int(random.uniform(0.04, 0.1) * wide)
    words, n = license_words(), int(random.integers(len(license_words()) - 400))
    draw.text((margin, margin), " ".join(words[n : n + 3]).title(), ink, heading)
    y, n, spacing = margin + 2.2 * size, n + 3, random.uniform(1.2, 1.6) * size
    while y + size < high - margin:
        line = words[n]
        while draw.textlength(f"{line} {words[n + 1]}", font) < wide - 2 * margin:
            n += 1
            line += f" {words[n]}"
        ends = random.random() < 0.15
        draw.text((margin, y), line[: int(len(line) * random.uniform(0.3, 0.9))] if ends else line, ink, font)
        y, n = y + spacing * (1.5 if ends else 1), (n + 1) % (len(words) - 100)
    return image


def prepare_line(image: Image.Image) -> Tensor:
    """(3, 48, 192): 48 pixels high, at most 192 wide, blue first, from -1 to 1, zeros behind the line."""
    width = min(LINE_WIDTH, math.ceil(LINE_HEIGHT * image.width / image.height))
    pixels = np.asarray(image.resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR), np.float32)
    padded = np.zeros((LINE_HEIGHT, LINE_WIDTH, 3), np.float32)
    padded[:, :width] = (pixels[..., ::-1] / 255 - 0.5) / 0.5
    return torch.from_numpy(padded).permute(2, 0, 1).contiguous()


def prepare_page(image: Image.Image) -> Tensor:
    """(3, 224, 224): the middle of a page of 256 pixels on its short side, blue first, normalised as in the package."""
    scale = PAGE_SHORT / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    left, top = (size[0] - PAGE_SIDE) // 2, (size[1] - PAGE_SIDE) // 2
    whole = image.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(whole.crop((left, top, left + PAGE_SIDE, top + PAGE_SIDE)), np.float32)[..., ::-1]
    normalised = (pixels / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(normalised).permute(2, 0, 1).contiguous()


@cache
def license_words() -> tuple[str, ...]:
    """The words of the Apache License, with their punctuation."""
    return tuple(re.findall(r"\S*\w\S*", (ROOT / "LICENSE").read_text(encoding="utf-8")))


@cache
def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that comes with matplotlib."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")), size)


def _colours(random: Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Those of the paper and the ink, one of them light and the other dark."""
    light, dark = random.integers(170, 256, 3), random.integers(0, 90, 3)
    pair = (light, dark) if random.random() < 0.8 else (dark, light)
    first, second = (tuple(int(value) for value in colour) for colour in pair)
    return first, second


def _worn(image: Image.Image, random: Generator) -> Image.Image:
    """The image blurred and with noise."""
    blurred = image.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 1.5))))
    pixels: NDArray[np.float64] = np.asarray(blurred) + random.normal(
        0, random.uniform(0, 16), (*blurred.size[::-1], 3)
    )
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
