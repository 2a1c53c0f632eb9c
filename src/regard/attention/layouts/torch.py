"""The layout in which PyTorch's own layers store the parameters of each mechanism."""

from functools import partial

from regard.core.layout import Layout

_torch = partial(Layout, library="torch")

LAYOUTS: tuple[Layout, ...] = (
    _torch(
        mechanism="multihead",
        twin="torch.nn.MultiheadAttention",
        names={"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias", "project": "out_proj"},
        options={"position": "none", "norm": False, "bias": True},
        note="heads as their num_heads; theirs takes tokens and adds no x, as residual=False",
    ),
)
