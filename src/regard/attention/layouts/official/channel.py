"""The layout in which the authors' own code stores the parameters of channel mechanisms."""

from functools import partial

from regard.attention.channel.fca import basis
from regard.attention.layouts.ways import vector
from regard.core.layout import Layout, Stored

_official = partial(Layout, library="official")

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
    _official(
        mechanism="cbam_channel",
        twin="MODELS.cbam.ChannelGate",
        names={"reduce": "mlp.1", "expand": "mlp.3"},
        options={"bias": True},
        note="pools as their pool_types, where avg is our mean",
    ),
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
        options={"epsilon": 1e-5},
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
        note="mode and epsilon as there; l1 with after_relu=False",
    ),
    _official(
        mechanism="fca",
        twin="model.layer.MultiSpectralAttentionLayer",
        names={"reduce": "fc.0", "expand": "fc.2"},
        constants={"dct_layer.weight": basis},
        note="size as there, with frequencies as their freq_sel_method",
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
        options={"epsilon": 1e-6},
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
)
