"""The layout in which pytorchcv stores the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout, Stored

_pytorchcv = partial(Layout, library="pytorchcv")

BRANCHES = 8
"""For how many branches there are names."""

LAYOUTS: tuple[Layout, ...] = (
    _pytorchcv(
        mechanism="se",
        twin="pytorchcv.models.common.att.SEBlock",
        names={"reduce": Stored(name="conv1", axes=4), "expand": Stored(name="conv2", axes=4)},
        note="hidden as their mid_channels; gate as their out_activation; their mid_activation must be a ReLU",
    ),
    _pytorchcv(
        mechanism="cbam_channel",
        twin="pytorchcv.models.cbamresnet.ChannelGate",
        names={"reduce": "mlp.fc1", "expand": "mlp.fc2"},
        options={"pools": ("mean", "max"), "bias": True},
    ),
    _pytorchcv(
        mechanism="dual_channel",
        twin="pytorchcv.models.danet.ChaAttBlock",
        names={"gamma": "scale.alpha"},
        options={"energy": "difference"},
    ),
    _pytorchcv(
        mechanism="cbam_spatial",
        twin="pytorchcv.models.cbamresnet.SpatialGate",
        names={"conv": "conv.conv", "norm": "conv.bn"},
    ),
    _pytorchcv(
        mechanism="dual_position",
        twin="pytorchcv.models.danet.PosAttBlock",
        names={
            "query": Stored(name="query_conv", axes=4),
            "key": Stored(name="key_conv", axes=4),
            "value": Stored(name="value_conv", axes=4),
            "gamma": "scale.alpha",
        },
    ),
    _pytorchcv(
        mechanism="cbam",
        twin="pytorchcv.models.cbamresnet.CbamBlock",
        names={
            "channel.reduce": "ch_gate.mlp.fc1",
            "channel.expand": "ch_gate.mlp.fc2",
            "spatial.conv": "sp_gate.conv.conv",
            "spatial.norm": "sp_gate.conv.bn",
        },
        options={"pools": ("mean", "max"), "dims": 2, "bias": True},
    ),
    _pytorchcv(
        mechanism="bam",
        twin="pytorchcv.models.bamresnet.BamBlock",
        names={
            "channel.reduce": "ch_att.init_fc.fc",
            "channel.norm": "ch_att.init_fc.bn",
            "channel.expand": "ch_att.final_fc",
            "spatial.reduce": "sp_att.init_conv.conv",
            "spatial.reduce_norm": "sp_att.init_conv.bn",
            "spatial.dilated1": "sp_att.dil_convs.conv1.conv",
            "spatial.dilated1_norm": "sp_att.dil_convs.conv1.bn",
            "spatial.dilated2": "sp_att.dil_convs.conv2.conv",
            "spatial.dilated2_norm": "sp_att.dil_convs.conv2.bn",
            "spatial.score": "sp_att.final_conv",
        },
        options={"combine": "mul", "dilation": 4, "dims": 2},
    ),
    _pytorchcv(
        mechanism="sk",
        twin="pytorchcv.models.sknet.SKConvBlock",
        names={
            **{f"branches.{i}.0": f"branches.branch{i + 2}.conv" for i in range(BRANCHES)},
            **{f"branches.{i}.1": f"branches.branch{i + 2}.bn" for i in range(BRANCHES)},
            "reduce": Stored(name="fc1.conv", axes=4),
            "norm": "fc1.bn",
            "expand": Stored(name="fc2", axes=4),
        },
        options={"kernel_sizes": None, "dilations": None},
        note="stride as there; the hidden width there follows the channels of x, here those of y: hidden gives it",
    ),
    _pytorchcv(
        mechanism="splat",
        twin="pytorchcv.models.common.att.SAConvBlock",
        names={
            "conv": "conv.conv",
            "norm": "conv.bn",
            "reduce": Stored(name="att.conv1", axes=4),
            "reduce_norm": "att.bn",
            "expand": Stored(name="att.conv2", axes=4),
        },
        options={"groups": 1},
        note="stride as there; radix=2 or more; the hidden width there follows the channels of y: hidden gives it",
    ),
)
