"""The layout in which torchvision stores the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout, Stored

_torchvision = partial(Layout, library="torchvision")

LAYOUTS: tuple[Layout, ...] = (
    _torchvision(
        mechanism="se",
        twin="torchvision.ops.SqueezeExcitation",
        names={"reduce": Stored(name="fc1", axes=4), "expand": Stored(name="fc2", axes=4)},
        options={"bias": True},
        note="hidden as their squeeze_channels; gate='hard_sigmoid' where their scale_activation is Hardsigmoid, as in "
        "MobileNetV3; their activation must be a ReLU: the SiLU of EfficientNet is another function",
    ),
)
