"""The published networks with attention: their layouts, their papers, their accuracies."""

from dataclasses import dataclass, replace

from regard.attention import find
from regard.core import Paper
from regard.core.spec import Spec, Value
from regard.models.blocks import Style
from regard.models.inception import SE_BN_INCEPTION, InceptionLayout
from regard.models.layouts import (
    PLAIN,
    SENET154,
    SMALL_RESNET164,
    SMALL_RESNEXT29,
    attention_network,
    caffe,
    resnet,
    resnext,
    tweaked,
)
from regard.models.resnet import Layout
from regard.models.van import MECHANISM, VANLayout


@dataclass(frozen=True)
class Accuracy:
    """The published accuracy of a network, for a single crop of each image.

    Attributes:
        top1: percentage of the images whose class has the largest logit.
        top5: percentage of those whose class has one of the five largest; None if it was not published.
        source: the publication.
        crop: side of the crop in pixels.
        data: the images: the validation images of ImageNet-1k, or the test images of a smaller set.
    """

    top1: float
    top5: float | None
    source: str
    crop: int = 224
    data: str = "ImageNet-1k"


@dataclass(frozen=True)
class Published:
    """A network as it was published.

    Attributes:
        size: number of parameters with that many classes; multiply-adds for an image of that side.
        layout: depth, widths, stem and blocks.
        mechanism: the attention in it.
        by_stage: options of the mechanism that differ from stage to stage.
        accuracy: the published accuracy; None if we know of none that we could check at its source.
        imports: libraries whose weights for it can be imported under this name.
        note: what is good to know about the layout.
        classes: number of classes for which the size is counted.
        side: height and width in pixels of an image for which it is counted.
    """

    size: tuple[int, int]
    layout: Layout | VANLayout | InceptionLayout
    mechanism: Spec
    by_stage: tuple[dict[str, Value], ...] = ()
    accuracy: Accuracy | None = None
    imports: tuple[str, ...] = ()
    note: str = ""
    classes: int = 1000
    side: int = 224

    @property
    def paper(self) -> Paper:
        """The paper of the mechanism, which is the network's too."""
        return find(self.mechanism.name).facts.paper

    @property
    def style(self) -> Style | None:
        """The form of the blocks of a residual network, with the mechanism; None of another network."""
        if not isinstance(self.layout, Layout):
            return None
        return replace(self.layout.style, mechanism=self.mechanism, by_stage=self.by_stage)


_CAFFE = "The authors' network: stride in the first 1x1 convolution, pooling without border."
_CAFFE_GROUPS = "The authors' network: stride in the 3x3 convolution, pooling without border."
_AUTHORS = "authors' repository"
_SE = Spec("se")
_POOLINGS: tuple[dict[str, Value], ...] = ({"poolings": 3}, {"poolings": 2}, {"poolings": 1}, {})
"""Of the masks of each stage of a residual attention network; the last has none."""


def _se(size: tuple[int, int], layout: Layout, *, accuracy: Accuracy | None = None, note: str = _CAFFE) -> Published:
    return Published(size, caffe(layout), _SE, accuracy=accuracy, imports=("timm",), note=note)


def _plain(
    size: tuple[int, int], depth: int, mechanism: str, accuracy: Accuracy | None = None, imports: tuple[str, ...] = ()
) -> Published:
    return Published(size, resnet(depth), Spec(mechanism), accuracy=accuracy, imports=imports)


def _legacy(size: tuple[int, int], depth: int) -> Published:
    layout = caffe(resnet(depth))
    layout = replace(layout, style=replace(layout.style, rectified=True))
    note = (
        "timm's network of this name: a ReLU before each gate, which the paper does not have, pooling without border."
    )
    return Published(size, layout, _SE, imports=("timm",), note=note)


def _attention_network(
    size: tuple[int, int],
    modules: tuple[int, int, int],
    accuracy: Accuracy,
    *,
    interpolation: str,
    resnext_blocks: bool = False,
    note: str = "",
) -> Published:
    blocks = "ResNeXt blocks" if resnext_blocks else "blocks with the normalisations first"
    about = (
        f"The authors' network: {blocks}, pooling without border. "
        f"The MACs count {interpolation} G of interpolation, published ones none.{note}"
    )
    return Published(
        size,
        attention_network(modules, resnext_blocks=resnext_blocks),
        Spec("residual_mask", {"block": "resnext"} if resnext_blocks else {}),
        by_stage=_POOLINGS,
        accuracy=accuracy,
        note=about,
    )


def _resattnet(size: tuple[int, int], modules: tuple[int, int, int]) -> Published:
    note = (
        "pytorchcv's network of this name: the shapes of the authors' and another function. In a mask it doubles the "
        "features that a skip unit starts from and adds those that are rescaled before the score; it pools with a "
        "border."
    )
    return Published(
        size,
        replace(attention_network(modules), pool="padded"),
        Spec("residual_mask", {"hourglass": "pytorchcv"}),
        by_stage=_POOLINGS,
        imports=("pytorchcv",),
        note=note,
    )


def _eca(size: tuple[int, int], depth: int, sizes: tuple[int, ...], accuracy: Accuracy | None = None) -> Published:
    return Published(
        size,
        resnet(depth),
        Spec("eca"),
        by_stage=tuple({"kernel_size": size} for size in sizes),
        accuracy=accuracy,
        imports=("official",),
        note=f"The kernel sizes {', '.join(map(str, sizes))} of the stages are those of the released weights.",
    )


def _small(
    size: tuple[int, int],
    layout: Layout,
    mechanism: Spec,
    *,
    error: float | None = None,
    imports: tuple[str, ...] = (),
    note: str = "",
) -> Published:
    accuracy = None
    if error is not None:
        accuracy = Accuracy(100 - error, None, "pytorchcv's table", crop=32, data="CIFAR-10")
    return Published(size, layout, mechanism, accuracy=accuracy, imports=imports, note=note, classes=10, side=32)


def _small_se(size: tuple[int, int], layout: Layout, error: float) -> Published:
    note = "For small images: a 3x3 stem without pooling, 1x1 convolutions as shortcuts."
    return _small(size, layout, _SE, error=error, imports=("pytorchcv",), note=note)


def _small_authors(size: tuple[int, int], depth: int, mechanism: str) -> Published:
    note = "The authors' form for small images: a 3x3 stem of 64 channels without pooling, four stages."
    layout = replace(resnet(depth), small=True)
    return _small(size, layout, Spec(mechanism), imports=("official",), note=note)


def _sca_cnn(size: tuple[int, int], depth: int) -> Published:
    note = (
        "A classifier, with attention in every block. The paper writes captions: there two such layers, in the last "
        "block of a ResNet-152, also see the state of the decoder."
    )
    return Published(size, resnet(depth), Spec("sca_cnn"), note=note)


def _van(size: tuple[int, int], blocks: tuple[int, ...], widths: tuple[int, ...], top1: float) -> Published:
    return Published(
        size,
        VANLayout(blocks, widths),
        MECHANISM,
        accuracy=Accuracy(top1, None, _AUTHORS),
        imports=("official",),
        note="No residual network: each stage embeds overlapping patches, and its blocks are attention and "
        "feed-forward parts. In training branches are left out at random, as in the authors' runs.",
    )


PUBLISHED = {
    "se_resnet18": _plain((11_778_592, 1_814_160_384), 18, "se", imports=("pytorchcv",)),
    "se_resnet34": _plain((21_958_868, 3_663_918_592), 34, "se", imports=("pytorchcv",)),
    "legacy_seresnet18": _legacy((11_778_592, 1_814_160_384), 18),
    "legacy_seresnet34": _legacy((21_958_868, 3_663_918_592), 34),
    "se_resnet50": _se((28_088_024, 3_860_488_192), resnet(50), accuracy=Accuracy(77.63, 93.64, _AUTHORS)),
    "se_resnet101": _se((49_326_872, 7_574_937_600), resnet(101), accuracy=Accuracy(78.25, 94.28, _AUTHORS)),
    "se_resnet152": _se((66_821_848, 11_288_993_792), resnet(152), accuracy=Accuracy(78.66, 94.46, _AUTHORS)),
    "se_resnext50_32x4d": _se(
        (27_559_896, 4_232_994_816), resnext(50), accuracy=Accuracy(79.03, 94.46, _AUTHORS), note=_CAFFE_GROUPS
    ),
    "se_resnext101_32x4d": _se(
        (48_955_416, 7_974_739_968), resnext(101), accuracy=Accuracy(80.19, 95.04, _AUTHORS), note=_CAFFE_GROUPS
    ),
    "senet154": Published(
        (115_088_984, 20_688_363_520),
        SENET154,
        _SE,
        accuracy=Accuracy(81.32, 95.53, _AUTHORS),
        imports=("timm",),
        note="A stem of three convolutions, 3x3 shortcuts where the size changes, dropout of 0.2.",
    ),
    "se_bn_inception": Published(
        (11_931_622, 2_033_239_424),
        SE_BN_INCEPTION,
        _SE,
        accuracy=Accuracy(76.38, 92.96, _AUTHORS),
        note="No residual network: ten Inception modules, attention behind each. The authors' Caffe network.",
    ),
    "cbam_resnet18": _plain((11_779_392, 1_815_063_764), 18, "cbam", imports=("pytorchcv", "official")),
    "cbam_resnet34": _plain((21_960_468, 3_665_434_742), 34, "cbam", imports=("pytorchcv", "official")),
    "cbam_resnet50": _plain(
        (28_089_624, 4_095_573_110), 50, "cbam", Accuracy(77.622, 93.948, _AUTHORS), ("pytorchcv", "official")
    ),
    "cbam_resnet101": _plain((49_330_172, 7_812_577_278), 101, "cbam", imports=("pytorchcv", "official")),
    "cbam_resnet152": _plain((66_826_848, 11_529_025_510), 152, "cbam", imports=("pytorchcv", "official")),
    "bam_resnet18": _plain((11_712_503, 1_819_224_000), 18, "bam", imports=("pytorchcv", "official")),
    "bam_resnet34": _plain((21_820_663, 3_668_912_064), 34, "bam", imports=("pytorchcv", "official")),
    "bam_resnet50": _plain(
        (25_915_099, 4_171_331_328), 50, "bam", Accuracy(76.860, 93.416, _AUTHORS), ("pytorchcv", "official")
    ),
    "bam_resnet101": _plain((44_907_227, 7_883_552_512), 101, "bam", imports=("pytorchcv", "official")),
    "bam_resnet152": _plain((60_550_875, 11_595_773_696), 152, "bam", imports=("pytorchcv", "official")),
    "eca_resnet18": _eca((11_689_556, 1_814_085_760), 18, (3, 5, 7, 7), Accuracy(70.92, 89.93, _AUTHORS)),
    "eca_resnet34": _eca((21_797_744, 3_663_781_952), 34, (3, 3, 5, 7), Accuracy(74.21, 91.83, _AUTHORS)),
    "eca_resnet50": _eca((25_557_112, 4_089_270_528), 50, (3, 5, 5, 7), Accuracy(77.42, 93.62, _AUTHORS)),
    "eca_resnet101": _eca((44_549_317, 7_801_574_656), 101, (3, 3, 5, 7), Accuracy(78.65, 94.34, _AUTHORS)),
    "eca_resnet152": _eca((60_193_042, 11_513_868_544), 152, (3, 3, 5, 7)),
    "gc_resnet50": _plain((28_105_032, 4_102_737_920), 50, "gc"),
    "ge_resnet50": Published(
        (33_637_592, 4_263_602_176),
        caffe(resnet(50)),
        Spec("ge", {"form": "theta_plus"}),
        by_stage=tuple({"size": size} for size in (56, 28, 14, 7)),
        note=f"The form with all parameters, its extent the whole image of 224 pixels. {_CAFFE}",
    ),
    "sge_resnet50": _plain((25_559_080, 4_089_184_256), 50, "sge", Accuracy(77.584, 93.664, _AUTHORS), ("official",)),
    "srm_resnet50": _plain((25_617_448, 4_089_184_256), 50, "srm", imports=("official",)),
    "attention56": _attention_network(
        (31_810_728, 6_320_887_296), (1, 1, 1), Accuracy(78.24, 94.1, _AUTHORS), interpolation="0.050"
    ),
    "attention92": _attention_network(
        (52_466_344, 10_597_538_304),
        (1, 2, 3),
        Accuracy(80.5, 95.2, _AUTHORS, crop=320),
        interpolation="0.064",
        note=" The paper counts 51.3 million parameters; the authors' network file has these.",
    ),
    "attentionnext56": _attention_network(
        (31_318_824, 6_469_157_376),
        (1, 1, 1),
        Accuracy(78.8, 94.4, _AUTHORS),
        interpolation="0.050",
        resnext_blocks=True,
    ),
    "resattnet56": _resattnet((31_810_728, 6_320_887_296), (1, 1, 1)),
    "resattnet92": _resattnet((52_466_344, 10_597_538_304), (1, 2, 3)),
    "sknet26": Published((16_746_408, 2_586_877_952), caffe(resnext(26)), Spec("sk"), note=_CAFFE_GROUPS),
    "sknet50": Published(
        (27_479_784, 4_462_710_784),
        caffe(resnext(50)),
        Spec("sk"),
        accuracy=Accuracy(79.21, None, _AUTHORS),
        note=_CAFFE_GROUPS,
    ),
    "sknet101": Published(
        (48_736_040, 8_448_724_992),
        caffe(resnext(101)),
        Spec("sk"),
        accuracy=Accuracy(79.81, None, _AUTHORS),
        note=f"{_CAFFE_GROUPS} The hidden widths are the paper's; the released weights have 16 in the second stage.",
    ),
    "resnest50": Published(
        (27_483_240, 5_371_160_576),
        tweaked(resnet(50), pooled_stride=True),
        Spec("splat"),
        accuracy=Accuracy(81.03, None, _AUTHORS),
        imports=("timm", "official"),
        note="A stem of three convolutions, pooled shortcuts, the stride in a pooling behind the attention.",
    ),
    "resnest101": Published(
        (48_275_016, 10_200_565_760),
        tweaked(resnet(101), (64, 64, 128), pooled_stride=True),
        Spec("splat"),
        accuracy=Accuracy(82.83, None, _AUTHORS, crop=256),
        imports=("timm", "official"),
        note="A wide stem of three convolutions, pooled shortcuts, the stride in a pooling behind the attention.",
    ),
    "se_resnet20": _small_se((274_847, 40_815_200), PLAIN["resnet20"], 6.01),
    "se_resnet56": _small_se((862_889, 125_753_888), PLAIN["resnet56"], 4.13),
    "se_resnet110": _small_se((1_744_952, 253_161_920), PLAIN["resnet110"], 3.63),
    "se_resnet164": _small_se((1_906_258, 247_840_256), SMALL_RESNET164, 3.39),
    "cbam_resnet18_cifar": _small_authors((11_263_842, 555_863_360), 18, "cbam"),
    "cbam_resnet34_cifar": _small_authors((21_444_918, 1_160_160_608), 34, "cbam"),
    "cbam_resnet50_cifar": _small_authors((26_053_434, 1_303_303_520), 50, "cbam"),
    "cbam_resnet101_cifar": _small_authors((47_293_982, 2_520_020_448), 101, "cbam"),
    "bam_resnet18_cifar": _small_authors((11_196_953, 557_111_808), 18, "bam"),
    "bam_resnet34_cifar": _small_authors((21_305_113, 1_161_091_584), 34, "bam"),
    "bam_resnet50_cifar": _small_authors((23_878_909, 1_324_769_280), 50, "bam"),
    "bam_resnet101_cifar": _small_authors((42_871_037, 2_536_923_136), 101, "bam"),
    "sknet29": _small(
        (27_813_450, 4_180_928_512),
        SMALL_RESNEXT29,
        Spec("sk", {"kernel_sizes": (1, 3), "reduction": 32}),
        note="ResNeXt-29, 16 x 32d, for small images, with kernels of 1 and 3 in its branches. The authors published "
        "no file of this network and not all its options: it has 27.8 million parameters, where their table has 27.7 "
        "million (and 82.67 % on CIFAR-100).",
    ),
    "sca_cnn_resnet50": _sca_cnn((33_331_272, 6_937_662_976), 50),
    "sca_cnn_resnet152": _sca_cnn((84_831_372, 18_305_172_992), 152),
    "van_b0": _van((4_105_800, 864_224_000), (3, 3, 5, 2), (32, 64, 160, 256), 75.4),
    "van_b1": _van((13_861_800, 2_495_262_720), (2, 2, 4, 2), (64, 128, 320, 512), 81.1),
    "van_b2": _van((26_578_472, 4_992_773_120), (3, 3, 12, 3), (64, 128, 320, 512), 82.8),
}
"""The networks by name. Accuracies are those that we could check at their source."""
