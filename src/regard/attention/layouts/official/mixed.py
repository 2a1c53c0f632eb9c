"""The layout in which the authors' own code stores the parameters of mixed mechanisms."""

from functools import partial

from regard.attention.layouts.ways import vector
from regard.core.layout import Layout, Stored

_official = partial(Layout, library="official")

COORD: dict[str, str | Stored] = {
    "reduce": Stored(name="conv1", axes=4),
    "norm": "bn1",
    "expand.0": Stored(name="conv_h", axes=4),
    "expand.1": Stored(name="conv_w", axes=4),
}
LAYOUTS: tuple[Layout, ...] = (
    _official(
        mechanism="cbam",
        twin="MODELS.cbam.CBAM",
        names={
            "channel.reduce": "ChannelGate.mlp.1",
            "channel.expand": "ChannelGate.mlp.3",
            "spatial.conv": "SpatialGate.spatial.conv",
            "spatial.norm": "SpatialGate.spatial.bn",
        },
        options={"dims": 2, "bias": True},
        note="pools as their pool_types, where avg is our mean",
    ),
    _official(
        mechanism="bam",
        twin="MODELS.bam.BAM",
        names={
            "channel.reduce": "channel_att.gate_c.gate_c_fc_0",
            "channel.norm": "channel_att.gate_c.gate_c_bn_1",
            "channel.expand": "channel_att.gate_c.gate_c_fc_final",
            "spatial.reduce": "spatial_att.gate_s.gate_s_conv_reduce0",
            "spatial.reduce_norm": "spatial_att.gate_s.gate_s_bn_reduce0",
            "spatial.dilated1": "spatial_att.gate_s.gate_s_conv_di_0",
            "spatial.dilated1_norm": "spatial_att.gate_s.gate_s_bn_di_0",
            "spatial.dilated2": "spatial_att.gate_s.gate_s_conv_di_1",
            "spatial.dilated2_norm": "spatial_att.gate_s.gate_s_bn_di_1",
            "spatial.score": "spatial_att.gate_s.gate_s_conv_final",
        },
        options={"combine": "mul", "dilation": 4, "dims": 2},
    ),
    _official(
        mechanism="scse",
        twin="squeeze_and_excitation.ChannelSpatialSELayer",
        names={
            "channel.reduce": "cSE.fc1",
            "channel.expand": "cSE.fc2",
            "spatial.score": Stored(name="sSE.conv", axes=4),
        },
        options={"combine": "max", "bias": True},
    ),
    _official(mechanism="coord", twin="coordatt.CoordAtt", names=COORD, options={"dims": 2}),
    _official(
        mechanism="triplet",
        twin="triplet_attention.TripletAttention",
        names={
            f"branches.{number}.{ours}": f"{branch}.conv.{theirs}"
            for number, branch in enumerate(("cw", "hc", "hw"))
            for ours, theirs in (("conv", "conv"), ("norm", "bn"))
        },
        options={"dims": 2},
        note="spatial=False is no_spatial=True there",
    ),
    _official(
        mechanism="triplet",
        twin="MODELS.triplet_attention.TripletAttention",
        names={
            f"branches.{number}.{ours}": f"{branch}.spatial.{theirs}"
            for number, branch in enumerate(("ChannelGateH", "ChannelGateW", "SpatialGate"))
            for ours, theirs in (("conv", "conv"), ("norm", "bn"))
        },
        options={"dims": 2},
        note="of the released networks; spatial=False is no_spatial=True there",
    ),
    _official(
        mechanism="sge",
        twin="classification.models.imagenet.resnet_sge.SpatialGroupEnhance",
        names={"weight": vector("weight", 1, -1, 1, 1), "bias": vector("bias", 1, -1, 1, 1)},
        options={"unbiased": True},
    ),
    _official(
        mechanism="shuffle",
        twin="models.sa_resnet.sa_layer",
        names={
            "channel_weight": vector("cweight", 1, -1, 1, 1),
            "channel_bias": vector("cbias", 1, -1, 1, 1),
            "norm": "gn",
            "spatial_weight": vector("sweight", 1, -1, 1, 1),
            "spatial_bias": vector("sbias", 1, -1, 1, 1),
        },
    ),
    _official(
        mechanism="multiscale_ema",
        twin="EMA(factor=groups)",
        names={"point": "conv1x1", "norm": "gn", "around": "conv3x3"},
    ),
    _official(
        mechanism="mlca",
        twin="MLCA(local_size=grid, local_weight=local_weight)",
        names={"local_conv": "conv_local", "global_conv": "conv"},
    ),
    _official(
        mechanism="scsa",
        twin="SCSA(head_num=heads, window_size=window)",
        names={
            "strip_convs.0": "local_dwc",
            "strip_convs.1": "global_dwc_s",
            "strip_convs.2": "global_dwc_m",
            "strip_convs.3": "global_dwc_l",
            "strip_norms.0": "norm_h",
            "strip_norms.1": "norm_w",
            "norm": "norm",
            "query": Stored(name="q", axes=4),
            "key": Stored(name="k", axes=4),
            "value": Stored(name="v", axes=4),
        },
        options={"dims": 2},
    ),
    _official(
        mechanism="polarized",
        twin="network.PSA.PSA_p or network.PSA.PSA_s",
        names={
            "read": Stored(name="conv_q_right", axes=4),
            "value": Stored(name="conv_v_right", axes=4),
            "up.expand": Stored(name="conv_up", axes=4),
            "up.enter": Stored(name="conv_up.0", axes=4),
            "up.norm.weight": vector("conv_up.1.weight", -1, 1, 1),
            "up.norm.bias": vector("conv_up.1.bias", -1, 1, 1),
            "up.leave": Stored(name="conv_up.3", axes=4),
            "query": Stored(name="conv_q_left", axes=4),
            "key": Stored(name="conv_v_left", axes=4),
        },
        options={"form": "released"},
    ),
    _official(
        mechanism="cpca",
        twin="network_architecture.CPCANet.RepBlock",
        names={
            "reduce": Stored(name="ca.fc1", axes=4),
            "expand": Stored(name="ca.fc2", axes=4),
            "around": "dconv5_5",
            **{f"strips.{i}.0": f"dconv1_{k}" for i, k in enumerate((7, 11, 21))},
            **{f"strips.{i}.1": f"dconv{k}_1" for i, k in enumerate((7, 11, 21))},
            "mix": "conv",
        },
        options={"dims": 2, "projections": True, "sigmoids": "each"},
    ),
)
