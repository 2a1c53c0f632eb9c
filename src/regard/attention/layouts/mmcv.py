"""The layout in which mmcv stores the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout, Stored

_mmcv = partial(Layout, library="mmcv")

LAYOUTS: tuple[Layout, ...] = (
    _mmcv(
        mechanism="nonlocal",
        twin="mmcv.cnn.NonLocal2d",
        names={
            "query": Stored(name="theta.conv", axes=4),
            "key": Stored(name="phi.conv", axes=4),
            "value": Stored(name="g.conv", axes=4),
            "score": Stored(name="concat_project.conv", axes=4),
            "project": Stored(name="conv_out.conv", axes=4),
        },
        options={"subsample": 1, "norm": False},
        note="form as their mode; scale='width' with their use_scale, 'none' without and for gaussian; theirs without "
        "norm_cfg, with which its last layer has no bias, and without sub_sample",
    ),
)
