"""The layout in which the authors' own code stores the parameters of spatial mechanisms."""

from functools import partial

from regard.attention.layouts.ways import with_axis
from regard.core.layout import Layout, Stored

_official = partial(Layout, library="official")

LAYOUTS: tuple[Layout, ...] = (
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
        note="recurrence as often as their network applies it, 2 in the published one",
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
        note="norm=True where the weights hold conv1.bn; theirs gives the gate alone: apply='residual' is what their "
        "blocks do with it",
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
        note="heads as their num_heads; size is theirs: (7, 7) for images of 224; out_channels as their output_dim",
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
)
