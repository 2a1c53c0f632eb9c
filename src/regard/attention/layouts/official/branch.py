"""The layout in which the authors' own code stores the parameters of branch mechanisms."""

from functools import partial

from regard.attention.layouts.ways import with_axis
from regard.core.layout import Layout, Stored

_official = partial(Layout, library="official")

KERNELS = 64
"""The largest number of kernels, where the authors have one tensor of all."""

SPLAT: dict[str, str | Stored] = {
    "conv": "conv",
    "norm": "bn0",
    "reduce": Stored(name="fc1", axes=4),
    "reduce_norm": "bn1",
    "expand": Stored(name="fc2", axes=4),
}

LAYOUTS: tuple[Layout, ...] = (
    _official(
        mechanism="splat",
        twin="resnest.torch.models.splat.SplAtConv2d(bias=False)",
        names=SPLAT,
        note="stride as there",
    ),
    _official(
        mechanism="lsk",
        twin="mmrotate.models.backbones.lsknet.Attention",
        names={
            "near": "spatial_gating_unit.conv0",
            "far": "spatial_gating_unit.conv_spatial",
            "reduce_near": "spatial_gating_unit.conv1",
            "reduce_far": "spatial_gating_unit.conv2",
            "squeeze": "spatial_gating_unit.conv_squeeze",
            "expand": "spatial_gating_unit.conv",
            "projections.enter": "proj_1",
            "projections.leave": "proj_2",
        },
        options={"dims": 2, "projections": True},
    ),
    _official(
        mechanism="odconv",
        twin="modules.odconv.ODConv2d(padding=kernel_size // 2)",
        names={
            "reduce": Stored(name="attention.fc", axes=4),
            "norm": "attention.bn",
            "score_inputs": Stored(name="attention.channel_fc", axes=4),
            "score_outputs": Stored(name="attention.filter_fc", axes=4),
            "score_places": Stored(name="attention.spatial_fc", axes=4),
            "score_kernels": Stored(name="attention.kernel_fc", axes=4),
            **{f"kernels.{i}.weight": with_axis("weight", 0, part=(i, KERNELS)) for i in range(KERNELS)},
        },
        note="stride and temperature as there; hidden, or reduction=1 / reduction there",
    ),
)
