"""The layout in which segmentation_models_pytorch stores the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout, Stored

_segmentation_models_pytorch = partial(Layout, library="segmentation_models_pytorch")

LAYOUTS: tuple[Layout, ...] = (
    _segmentation_models_pytorch(
        mechanism="scse",
        twin="segmentation_models_pytorch.base.modules.SCSEModule",
        names={
            "channel.reduce": Stored(name="cSE.1", axes=4),
            "channel.expand": Stored(name="cSE.3", axes=4),
            "spatial.score": Stored(name="sSE.0", axes=4),
        },
        options={"combine": "add", "bias": True},
        note="reduction as there, 16 by default",
    ),
)
