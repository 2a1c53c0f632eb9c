"""The layout in which LeeJunHyun/Image_Segmentation stores the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout

_image_segmentation = partial(Layout, library="Image_Segmentation")

LAYOUTS: tuple[Layout, ...] = (
    _image_segmentation(
        mechanism="attention_gate",
        twin="LeeJunHyun/Image_Segmentation network.Attention_block",
        names={
            "embed": "W_x.0",
            "norm": "W_x.1",
            "embed_signal": "W_g.0",
            "norm_signal": "W_g.1",
            "score": "psi.0",
            "norm_score": "psi.1",
        },
        options={"output": False, "norm": True, "subsample": 1},
    ),
)
