"""How the authors' own code stores the parameters of each mechanism."""

from functools import partial

from regard.attention.layouts.ways import vector, with_axis
from regard.core.layout import Layout, Stored

_official = partial(Layout, library="official")

KERNELS = 64
"""For how many kernels there is a place, where the authors have one tensor of all."""

COORD: dict[str, str | Stored] = {
    "reduce": Stored(name="conv1", axes=4),
    "norm": "bn1",
    "expand.0": Stored(name="conv_h", axes=4),
    "expand.1": Stored(name="conv_w", axes=4),
}
SPLAT: dict[str, str | Stored] = {
    "conv": "conv",
    "norm": "bn0",
    "reduce": Stored(name="fc1", axes=4),
    "reduce_norm": "bn1",
    "expand": Stored(name="fc2", axes=4),
}

LAYOUTS: tuple[Layout, ...] = (
    _official(
        mechanism="se",
        twin="maskrcnn_benchmark.modeling.backbone.vovnet.eSEModule",
        names={"score": Stored(name="fc", axes=4)},
        options={"reduction": None, "gate": "hard_sigmoid", "bias": True},
        note="the weights of the first form are Caffe's",
    ),
    _official(
        mechanism="eca",
        twin="models.eca_module.eca_layer",
        names={"conv": "conv"},
        options={"padding": "zeros", "hidden": None},
        note="kernel_size as there",
    ),
    _official(
        mechanism="cse",
        twin="squeeze_and_excitation.ChannelSELayer",
        names={"reduce": "fc1", "expand": "fc2"},
    ),
    _official(mechanism="cbam_channel", twin="MODELS.cbam.ChannelGate", names={"reduce": "mlp.1", "expand": "mlp.3"}),
    _official(
        mechanism="gc",
        twin="mmcv.cnn.ContextBlock",
        names={"score": Stored(name="conv_mask", axes=4)}
        | {
            f"{ours}.{layer}": Stored(name=f"channel_{theirs}_conv.{number}", axes=4)
            for ours, theirs in (("scale", "mul"), ("shift", "add"))
            for layer, number in (("reduce", 0), ("expand", 3))
        }
        | {
            "scale.norm": vector("channel_mul_conv.1", -1, 1, 1),
            "shift.norm": vector("channel_add_conv.1", -1, 1, 1),
        },
        note="pooling and fusion as there, reduction=1 / ratio",
    ),
    _official(
        mechanism="srm",
        twin="models.recalibration_modules.SRMLayer",
        names={"style": "cfc", "norm": "bn"},
        options={"unbiased": True, "epsilon": 1e-5},
    ),
    _official(
        mechanism="gated_channel",
        twin="GCT.GCT",
        names={name: vector(name, 1, -1, 1, 1) for name in ("alpha", "gamma", "beta")},
    ),
    _official(
        mechanism="fca",
        twin="model.layer.MultiSpectralAttentionLayer",
        names={"reduce": "fc.0", "expand": "fc.2"},
        constants=("dct_layer.weight",),
        note="size as there",
    ),
    _official(
        mechanism="simple_channel",
        twin="basicsr.models.archs.NAFNet_arch.NAFBlock.sca",
        names={"score": Stored(name="1", axes=4)},
    ),
    _official(
        mechanism="grn",
        twin="models.utils.GRN",
        names={name: vector(name, 1, 1, 1, -1) for name in ("gamma", "beta")},
    ),
    _official(
        mechanism="transposed",
        twin="basicsr.models.archs.restormer_arch.Attention",
        names={
            "temperature": "temperature",
            "embed": "qkv",
            "surround": "qkv_dwconv",
            "project": "project_out",
        },
        options={"residual": False},
        note="heads as there",
    ),
    _official(
        mechanism="dual_channel",
        twin="encoding.nn.da_att.CAM_Module",
        names={"gamma": "gamma"},
        options={"energy": "difference"},
    ),
    _official(
        mechanism="sse",
        twin="squeeze_and_excitation.SpatialSELayer",
        names={"score": Stored(name="conv", axes=4)},
    ),
    _official(
        mechanism="cbam_spatial",
        twin="MODELS.cbam.SpatialGate",
        names={"conv": "spatial.conv", "norm": "spatial.bn"},
    ),
    _official(
        mechanism="attention_gate",
        twin="models.layers.grid_attention_layer.GridAttentionBlock2D",
        names={"embed": "theta", "embed_signal": "phi", "score": "psi", "output": "W"},
        options={"output": True, "norm": False},
    ),
    _official(
        mechanism="criss_cross",
        twin="cc_attention.CrissCrossAttention",
        names={
            "query": Stored(name="query_conv", axes=4),
            "key": Stored(name="key_conv", axes=4),
            "value": Stored(name="value_conv", axes=4),
            "gamma": "gamma",
        },
    ),
    _official(
        mechanism="dual_position",
        twin="encoding.nn.da_att.PAM_Module",
        names={
            "query": Stored(name="query_conv", axes=4),
            "key": Stored(name="key_conv", axes=4),
            "value": Stored(name="value_conv", axes=4),
            "gamma": "gamma",
        },
    ),
    _official(
        mechanism="lka",
        twin="models.van.LKA",
        names={"near": "conv0", "far": "conv_spatial", "mix": "conv1"},
        options={"dims": 2, "projections": False},
    ),
    _official(
        mechanism="lka",
        twin="models.van.Attention",
        names={
            "near": "spatial_gating_unit.conv0",
            "far": "spatial_gating_unit.conv_spatial",
            "mix": "spatial_gating_unit.conv1",
            "projections.enter": "proj_1",
            "projections.leave": "proj_2",
        },
        options={"dims": 2, "projections": True},
    ),
    _official(
        mechanism="lska",
        twin="models.van.LSKA",
        names={
            "near.0": "conv0h",
            "near.1": "conv0v",
            "far.0": "conv_spatial_h",
            "far.1": "conv_spatial_v",
            "mix": "conv1",
        },
        options={"dims": 2, "projections": False},
    ),
    _official(
        mechanism="lska",
        twin="models.van.Attention",
        names={
            "near.0": "spatial_gating_unit.conv0h",
            "near.1": "spatial_gating_unit.conv0v",
            "far.0": "spatial_gating_unit.conv_spatial_h",
            "far.1": "spatial_gating_unit.conv_spatial_v",
            "mix": "spatial_gating_unit.conv1",
            "projections.enter": "proj_1",
            "projections.leave": "proj_2",
        },
        options={"dims": 2, "projections": True},
    ),
    _official(
        mechanism="caa",
        twin="mmrotate.models.backbones.pkinet.CAA",
        names={
            "reduce": "conv1.conv",
            "reduce_norm": "conv1.bn",
            "strips.0": "h_conv.conv",
            "strips.1": "v_conv.conv",
            "mix": "conv2.conv",
            "mix_norm": "conv2.bn",
        },
        note="norm=True where the weights hold conv1.bn",
    ),
    _official(
        mechanism="strip",
        twin="models.resnet.SPBlock",
        names={
            "profiles.0": Stored(name="conv1", axes=4),
            "norms.0": "bn1",
            "profiles.1": "conv2",
            "profiles.1.weight": with_axis("conv2.weight", 2),
            "norms.1": "bn2",
            "mix": "conv3",
        },
        options={"dims": 2, "form": "full"},
    ),
    _official(
        mechanism="attention_pool",
        twin="clip.model.AttentionPool2d",
        names={
            "position": "positional_embedding",
            "query": "q_proj",
            "key": "k_proj",
            "value": "v_proj",
            "project": "c_proj",
        },
        options={"form": "mean"},
        note="size is theirs: (7, 7) for pictures of 224",
    ),
    _official(
        mechanism="mil_pool",
        twin="model.GatedAttention",
        names={"value": "attention_V.0", "gate": "attention_U.0", "score": "attention_w"},
        options={"gated": True},
        note="the layers of the bag's instances and the classifier are not part of it",
    ),
    _official(
        mechanism="mil_pool",
        twin="model.Attention",
        names={"value": "attention.0", "score": "attention.2"},
        options={"gated": False},
        note="the layers of the bag's instances and the classifier are not part of it",
    ),
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
        options={"combine": "mul", "dims": 2},
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
        mechanism="sge",
        twin="classification.models.imagenet.resnet_sge.SpatialGroupEnhance",
        names={"weight": vector("weight", 1, -1, 1, 1), "bias": vector("bias", 1, -1, 1, 1)},
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
        options={"dims": 2, "projections": True},
    ),
    _official(mechanism="splat", twin="resnest.torch.models.splat.SplAtConv2d(bias=False)", names=SPLAT),
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
    ),
)
