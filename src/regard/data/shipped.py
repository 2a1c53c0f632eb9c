"""The sets inside the package, so that a first run needs no network."""

from dataclasses import dataclass
from importlib.resources import files

from regard.data.npz import arrays_of, splits_of
from regard.data.source import Holding


@dataclass(frozen=True)
class Shipped:
    """A set that ships with the package: 6,000 training, 1,000 validation and 2,000 test images of 28 x 28."""

    name: str
    licence: str
    mirror: bool


SHIPPED = (
    Shipped(
        "fashion-mini",
        "A subset of Fashion-MNIST, Copyright (c) 2017 Zalando SE, https://tech.zalando.com, MIT licence "
        "(the full notice is in regard/data/small/NOTICE.md).",
        mirror=True,
    ),
    Shipped(
        "mnist-mini",
        "A subset of MNIST, copyright Yann LeCun and Corinna Cortes, Creative Commons Attribution-Share Alike 3.0 "
        "(the notice is in regard/data/small/NOTICE.md).",
        mirror=False,
    ),
)


def open_shipped(shipped: Shipped) -> Holding:
    """Reads the set from the package."""
    with files("regard.data.small").joinpath(f"{shipped.name}.npz").open("rb") as file:
        classes, parts = splits_of(shipped.name, arrays_of(shipped.name, file)[0])
    return Holding(shipped.name, classes, parts, licence=shipped.licence, mirror=shipped.mirror)
