"""How torchvision stores the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout, Stored

_torchvision = partial(Layout, library="torchvision")

LAYOUTS: tuple[Layout, ...] = (
    _torchvision(
        mechanism="se",
        twin="torchvision.ops.SqueezeExcitation",
        names={"reduce": Stored(name="fc1", axes=4), "expand": Stored(name="fc2", axes=4)},
    ),
)
