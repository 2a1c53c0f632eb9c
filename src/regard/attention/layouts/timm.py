"""The layout in which timm stores the parameters of each mechanism."""

from functools import partial

from regard.attention.layouts.official.branch import SPLAT
from regard.attention.layouts.official.mixed import COORD
from regard.attention.layouts.ways import vector, with_axis
from regard.core.layout import Layout, Stored

_timm = partial(Layout, library="timm")

BRANCHES = 8
"""For how many branches there are names."""

_NONLOCAL: dict[str, str | Stored] = {
    "query": Stored(name="t", axes=4),
    "key": Stored(name="p", axes=4),
    "value": Stored(name="g", axes=4),
    "project": Stored(name="z", axes=4),
    "norm": "norm",
}

LAYOUTS: tuple[Layout, ...] = (
    _timm(
        mechanism="se",
        twin="timm.layers.EffectiveSEModule",
        names={"score": Stored(name="fc", axes=4)},
        options={"reduction": None, "bias": True},
        note="gate as their gate_layer, hard_sigmoid by default",
    ),
    _timm(
        mechanism="se",
        twin="timm.layers.SEModule",
        names={"reduce": Stored(name="fc1", axes=4), "expand": Stored(name="fc2", axes=4)},
        note="gate as their gate_layer, act_layer a ReLU; hidden as their rd_channels, by default min_hidden=8 and "
        "rounded to a multiple of 8",
    ),
    _timm(
        mechanism="eca",
        twin="timm.layers.EcaModule",
        names={"conv": "conv", "spread": "conv", "join": "conv2"},
        options={"padding": "zeros"},
        note="kernel_size as there; hidden=rd_channels for use_mlp=True",
    ),
    _timm(
        mechanism="eca",
        twin="timm.layers.CecaModule",
        names={"conv": "conv"},
        options={"padding": "circular", "hidden": None},
        note="kernel_size as there",
    ),
    _timm(
        mechanism="cbam_channel",
        twin="timm.layers.cbam.ChannelAttn",
        names={"reduce": Stored(name="fc1", axes=4), "expand": Stored(name="fc2", axes=4)},
        options={"pools": ("mean", "max")},
        note="bias=False where its mlp_bias is False, as by default",
    ),
    _timm(
        mechanism="ge",
        twin="timm.layers.GatherExcite",
        options={"form": "theta_minus"},
        note="extent as there; extra_params=False, use_mlp=False there",
    ),
    _timm(
        mechanism="gc",
        twin="timm.layers.GlobalContext",
        names={"score": Stored(name="conv_attn", axes=4)}
        | {
            f"{ours}.{layer}": Stored(name=f"mlp_{theirs}.{there}", axes=4)
            for ours, theirs in (("scale", "scale"), ("shift", "add"))
            for layer, there in (("reduce", "fc1"), ("norm", "norm"), ("expand", "fc2"))
        },
        options={"epsilon": 1e-6},
        note="fusion='scale' and reduction=8 for its defaults",
    ),
    _timm(
        mechanism="grn",
        twin="timm.layers.grn.GlobalResponseNorm",
        names={"gamma": "weight", "beta": "bias"},
        options={"epsilon": 1e-6},
        note="channels_last=False there",
    ),
    _timm(
        mechanism="cbam_spatial",
        twin="timm.layers.cbam.SpatialAttn",
        names={"conv": Stored(name="conv.conv", flipped=1), "norm": "conv.bn"},
    ),
    _timm(
        mechanism="nonlocal",
        twin="timm.layers.NonLocalAttn",
        names=_NONLOCAL,
        options={"form": "embedded", "subsample": 1, "scale": "channels", "norm": True},
        note="hidden as their rd_channels, c / 8 rounded to a multiple of 8 by default",
    ),
    _timm(
        mechanism="nonlocal",
        twin="timm.layers.NonLocalAttn(use_scale=False)",
        names=_NONLOCAL,
        options={"form": "embedded", "subsample": 1, "scale": "none", "norm": True},
        note="hidden as their rd_channels, c / 8 rounded to a multiple of 8 by default",
    ),
    _timm(
        mechanism="multihead",
        twin="timm.layers.Attention",
        names={"qkv": "qkv", "project": "proj"},
        options={"position": "none", "norm": False},
        note="heads as their num_heads, bias as their qkv_bias, False by default; theirs takes tokens and adds no x, "
        "as residual=False",
    ),
    _timm(
        mechanism="strip",
        twin="timm.layers.coord_attn.StripAttn",
        names={
            "profiles.0": Stored(name="conv_h", axes=4),
            "profiles.1": "conv_w",
            "profiles.1.weight": with_axis("conv_w.weight", 2),
        },
        options={"dims": 2, "form": "depthwise"},
    ),
    _timm(
        mechanism="strip",
        twin="timm.layers.coord_attn.StripAttn(use_conv=False)",
        options={"dims": 2, "form": "plain"},
    ),
    _timm(
        mechanism="attention_pool",
        twin="timm.layers.AttentionPoolLatent",
        names={
            "token": vector("latent", 1, 1, -1),
            "position": "pos_embed",
            "query": "q",
            "key": Stored(name="kv", part=(0, 2)),
            "value": Stored(name="kv", part=(1, 2)),
            "project": "proj",
        },
        options={"form": "query"},
        note="heads as their num_heads; theirs without its mlp, whose tensors are to be left out",
    ),
    _timm(
        mechanism="cbam",
        twin="timm.layers.cbam.CbamModule",
        names={
            "channel.reduce": Stored(name="channel.fc1", axes=4),
            "channel.expand": Stored(name="channel.fc2", axes=4),
            "spatial.conv": Stored(name="spatial.conv.conv", flipped=1),
            "spatial.norm": "spatial.conv.bn",
        },
        options={"pools": ("mean", "max"), "dims": 2},
        note="bias=False where its mlp_bias is False, as by default",
    ),
    _timm(
        mechanism="coord",
        twin="timm.layers.coord_attn.CoordAttn",
        names=COORD,
        options={"dims": 2},
        note="there bias=False is the default; hidden as their rd_channels; has_skip=False there",
    ),
    _timm(
        mechanism="ela",
        twin="timm.layers.coord_attn.EfficientLocalAttn(act_layer=Identity, norm_layer=partial(GroupNorm, 16))",
        names={
            "convs.0": Stored(name="conv_h", axes=4),
            "norms.0": "norm_h",
            "convs.1": with_axis("conv_w", 2),
            "norms.1": "norm_w",
        },
        options={"dims": 2, "shared": False},
        note="norm_groups as in their norm_layer; their defaults, a SiLU before the sigmoid and one norm group, are "
        "another function",
    ),
    _timm(
        mechanism="sk",
        twin="timm.layers.SelectiveKernel(split_input=False)",
        names={
            **{f"branches.{i}.0": f"paths.{i}.conv" for i in range(BRANCHES)},
            **{f"branches.{i}.1": f"paths.{i}.bn" for i in range(BRANCHES)},
            "reduce": Stored(name="attn.fc_reduce", axes=4),
            "norm": "attn.bn",
            "expand": Stored(name="attn.fc_select", axes=4),
        },
        note="hidden as their rd_channels, stride as there; their kernel_size with keep_3x3=True are dilations here, "
        "with False kernel_sizes",
    ),
    _timm(
        mechanism="splat",
        twin="timm.layers.SplitAttn(norm_layer=BatchNorm2d)",
        names=SPLAT,
        note="stride as there; hidden or min_hidden as their rd_channels times radix, which by default is rounded to a "
        "multiple of 8",
    ),
)
