"""The layouts of the plain residual networks, and of the published ones with attention that differ from them."""

from dataclasses import replace

from regard.models.blocks import Style
from regard.models.resnet import Layout

_SMALL, _LARGE, _WIDE = (16, 32, 64), (64, 128, 256, 512), (128, 256, 512, 1024)
_DEPTHS = {
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def resnet(depth: int) -> Layout:
    """Returns the layout of the residual network for large images with that many layers.

    >>> resnet(34).bottlenecks, resnet(50).blocks
    (False, (3, 4, 6, 3))
    """
    return Layout(_DEPTHS[depth], _LARGE, bottlenecks=depth not in (18, 34))


def resnext(depth: int) -> Layout:
    """Returns the layout of ResNeXt with 32 groups of 4 channels.

    >>> resnext(50).widths
    (128, 256, 512, 1024)
    """
    return Layout(_DEPTHS[depth], _WIDE, bottlenecks=True, stem=(64,), style=Style(expansion=2, groups=32))


def tweaked(layout: Layout, stem: tuple[int, ...] = (32, 32, 64), *, pooled_stride: bool = False) -> Layout:
    """Returns the layout with a stem of three convolutions and pooled shortcuts, as in ResNet-D.

    Args:
        layout: of the plain network.
        stem: channels of the three convolutions.
        pooled_stride: see `Style`.
    """
    style = replace(layout.style, shortcut="pooled", pooled_stride=pooled_stride)
    return replace(layout, stem=stem, style=style)


def caffe(layout: Layout) -> Layout:
    """Returns the layout as Caffe's networks have it: a pooling without border, the stride in the first 1x1.

    A block with groups keeps its stride in the 3x3 convolution.
    """
    first = layout.bottlenecks and layout.style.groups == 1
    return replace(layout, pool="ceil", style=replace(layout.style, stride_in="1x1" if first else "3x3"))


PLAIN = {
    **{f"resnet{6 * n + 2}": Layout((n, n, n), _SMALL, small=True) for n in (1, 3, 5, 9, 18)},
    **{f"resnet{depth}": resnet(depth) for depth in (18, 34, 50, 101, 152)},
    **{f"resnet{depth}d": tweaked(resnet(depth)) for depth in (50, 101)},
    **{f"resnext{depth}_32x4d": resnext(depth) for depth in (50, 101)},
}
"""The plain networks of He et al., section 4.2 (small images, 6n + 2 layers) and table 1 (large ones); of Xie et al.:
Aggregated Residual Transformations for Deep Neural Networks, CVPR 2017, table 1; and the ResNet-D of He et al.: Bag of
Tricks for Image Classification with Convolutional Neural Networks, CVPR 2019, section 4."""

SMALL_RESNET164 = Layout((18, 18, 18), _SMALL, bottlenecks=True, small=True)
"""The network of bottlenecks for small images, of which the published ones with squeeze-and-excitation are made."""

SMALL_RESNEXT29 = Layout(
    (3, 3, 3), (512, 1024, 2048), bottlenecks=True, small=True, stem=(64,), style=Style(expansion=0.5, groups=16)
)
"""ResNeXt-29 with 16 groups of 32 channels, for small images, of Xie et al., section 5.3."""

SENET154 = Layout(
    _DEPTHS[152],
    (256, 512, 1024, 2048),
    bottlenecks=True,
    stem=(64, 64, 128),
    pool="ceil",
    style=Style(expansion=1, narrowing=2, groups=64, shortcut="3x3"),
    dropout=0.2,
)
"""SENet-154 of Hu et al., as their network file has it."""


def attention_network(modules: tuple[int, int, int], *, resnext_blocks: bool = False) -> Layout:
    """Returns the layout of the residual attention network as in its authors' network files.

    Args:
        modules: attention modules of the first three stages.
        resnext_blocks: blocks with 32 groups, as in AttentionNeXt, instead of those with normalisations first.
    """
    layout = resnext(50) if resnext_blocks else resnet(50)
    return replace(layout, blocks=(1, 1, 1, 3), pool="ceil", preactivated=not resnext_blocks, modules=(*modules, 0))
