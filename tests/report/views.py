"""Maps to draw, and what can be said of a drawn figure."""

import io

import numpy as np
import torch
from PIL import Image

from regard.core import Map
from regard.core.kinds import find_kind
from regard.report import overlay
from regard.report.explanation_drawing import MapView, TopChannels

IMAGE = torch.rand(3, 24, 32)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def share_of(colour, png):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels(png).astype(int) - wanted).max(2) < 8).mean()


def gate(values, *, name="layer1.gate", low=0.0, high=1.0, k=2, features=True):
    values = torch.as_tensor(values, dtype=torch.float32)
    order = values.argsort(descending=True)[:k]
    active = TopChannels(
        channels=order.numpy(),
        weights=values[order].numpy(),
        branches=None,
        features=torch.rand(len(order), 5, 7).numpy() if features else None,
    )
    return MapView(name, Map(name, find_kind("gate"), values[None, :, None, None], 1.0), low, high, active, None)


def spatial(weights, name="layer1.spatial", high=1.0):
    return MapView(
        name, Map(name, find_kind("spatial"), weights[None, None], 1.0), 0.0, high, None, overlay(IMAGE, weights)
    )
