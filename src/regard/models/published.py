"""The published networks with attention: their layouts, their papers, their accuracies."""

from dataclasses import dataclass, replace

from regard.attention import find
from regard.core import Paper
from regard.core.spec import Spec, Value
from regard.models.blocks import Style
from regard.models.layouts import SENET154, attention_network, caffe, resnet, resnext, tweaked
from regard.models.resnet import Layout


@dataclass(frozen=True)
class Accuracy:
    """The published accuracy of a network on the validation images of ImageNet-1k, a single crop.

    Attributes:
        top1: percentage of the images whose class has the largest logit.
        top5: percentage of those whose class has one of the five largest; None if it was not published.
        source: the publication.
        crop: side of the crop in pixels.
    """

    top1: float
    top5: float | None
    source: str
    crop: int = 224


@dataclass(frozen=True)
class Published:
    """A network as it was published.

    Attributes:
        size: number of parameters with 1000 classes; multiply-adds for an image of 224 x 224 pixels.
        layout: depth, widths, stem and blocks.
        mechanism: the attention in it.
        by_stage: options of the mechanism that differ from stage to stage.
        accuracy: the published accuracy; None if we know of none that we could check at its source.
        imports: libraries whose weights for it can be imported under this name.
        note: what is good to know about the layout.
    """

    size: tuple[int, int]
    layout: Layout
    mechanism: Spec
    by_stage: tuple[dict[str, Value], ...] = ()
    accuracy: Accuracy | None = None
    imports: tuple[str, ...] = ()
    note: str = ""

    @property
    def paper(self) -> Paper:
        """The paper of the mechanism, which is the network's too."""
        return find(self.mechanism.name).facts.paper

    @property
    def style(self) -> Style:
        """The form of the blocks, with the mechanism."""
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
}
"""The networks by name. Accuracies are those that we could check at their source."""
