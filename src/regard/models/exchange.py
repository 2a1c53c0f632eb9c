"""Weights of whole networks from other libraries: their names, layouts and shapes brought to ours, or refused."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from regard.attention.exchange import convert_weights
from regard.attention.spatial.residual_mask import ResidualMask
from regard.core.errors import CheckpointError, UnknownNameError
from regard.core.mechanism import Mechanism
from regard.core.options import one_of
from regard.models.residual_attention import AttentionModule
from regard.models.resnet import ResNet
from regard.models.van import VAN

Library = Literal["timm", "torchvision", "pytorchcv", "official", "moskomule"]

_PLACE = r"layer\d+\.\d+"
"""The path of a block."""

_BLOCK = rf"^({_PLACE}\.)"
_GATE = (rf"{_BLOCK}(?!conv\d|bn\d|downsample|attention)\w+\.", r"\1attention.")
"""Whatever a block has besides its convolutions, normalisations and shortcut is its attention."""

_STEM = {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv1.3", "bn2": "conv1.4", "conv3": "conv1.6", "bn3": "bn1"}
"""The stem of three convolutions of timm's older networks."""


@dataclass(frozen=True)
class Converted:
    """The weights of a network of another library, under our names.

    Attributes:
        state: all tensors of ours.
        names: the names in the file by ours, of the tensors outside attention.
        attention: number of attention modules that were read in the library's layout.
    """

    state: dict[str, Tensor]
    names: dict[str, str]
    attention: int

    @property
    def renamed(self) -> int:
        """The number of tensors outside attention that have another name there."""
        return sum(ours != theirs for ours, theirs in self.names.items())


def convert_network(net: nn.Module, state: Mapping[str, Tensor], library: Library) -> Converted:
    """Converts the state dict of the same network in another library to ours; `net` is not changed.

    Args:
        net: a plain or a published network, with the attention and the options of those weights.
        state: the other library's state dict.
        library: `timm`, `torchvision`, `pytorchcv`, `official` (the authors' own PyTorch code) or `moskomule`
            (senet.pytorch).

    Returns:
        Every tensor of `net`, in its shape and dtype.

    Raises:
        OptionError: no such library.
        CheckpointError: the weights are those of another network, or of one with another function; the message names
            the first tensor that does not fit.

    Example:
        >>> import torchvision
        >>> from regard import models
        >>> theirs, ours = torchvision.models.resnet18(num_classes=3), models.create("resnet18", num_classes=3)
        >>> _ = ours.load_state_dict(convert_network(ours, theirs.state_dict(), "torchvision").state)
    """
    one_of("weights", "library", library, get_args(Library))
    if not isinstance(net, ResNet | VAN):
        name = getattr(net, "name", type(net).__name__)
        raise CheckpointError(
            f"{name}: no other library's weights are known for this network: take one of the networks with weights in "
            "`regard list --networks`, or a plain one, for example resnet50."
        )
    names = rename(net, state, library)
    if isinstance(net, ResNet):
        _expect_function(net, state, library)
    paths = _attention_paths(net)
    own = net.state_dict()
    converted: dict[str, Tensor] = {}
    for path in paths:
        theirs = {ours.removeprefix(f"{path}."): state[there] for ours, there in names.items() if _in(ours, [path])}
        converted |= {f"{path}.{name}": value for name, value in _convert(net, path, theirs, library).items()}
    outside = {ours: there for ours, there in names.items() if not _in(ours, paths)}
    needed = {name: value for name, value in own.items() if not _in(name, paths)}
    faults = list(_faults(needed, outside, state))
    if faults:
        more = f" {len(faults)} tensors do not fit." if len(faults) > 1 else ""
        raise CheckpointError(f"These weights are not those of {net.name} from {library}: {faults[0]}.{more} {_REMEDY}")
    _expect_numbers(state)
    converted |= {
        name: state[outside[name]].to(value).reshape(value.shape).clone() if name in outside else value.clone()
        for name, value in needed.items()
    }
    return Converted({name: converted[name] for name in own}, outside, len(paths))


def rename(net: nn.Module, state: Mapping[str, Tensor], library: Library) -> dict[str, str]:
    """Returns the names in the file by the names that the tensors have in `net`.

    Inside attention the names are still the library's, under the path of our module.

    Raises:
        CheckpointError: two tensors of the file would have one name.
    """
    if isinstance(net, VAN):
        rules = _VAN
    else:
        rules = _RULES[library](net, state) if library in _RULES else [*_replaced(net), _GATE]
    names: dict[str, str] = {}
    for there in state:
        ours = there
        for pattern, replacement in rules:
            ours = re.sub(pattern, replacement, ours)
        if ours in names:
            raise CheckpointError(
                f"{names[ours]!r} and {there!r} of these weights are both our {ours!r}: they are not those of such a "
                f"network from {library}. {_REMEDY}"
            )
        names[ours] = there
    return names


_REMEDY = "Nothing was loaded. Name the network that the weights were trained in."

_Rules = list[tuple[str, str]]


def _timm(net: nn.Module, state: Mapping[str, Tensor]) -> _Rules:
    deep = "layer0.conv3.weight" in state
    stem = [(rf"^layer0\.{name}\.", f"{ours if deep else name}.") for name, ours in _STEM.items()]
    # A convolution with its normalisation is one module in some of timm's blocks.
    joined = [(rf"{_BLOCK}conv(\d)\.conv\.", r"\1conv\2."), (rf"{_BLOCK}conv(\d)\.bn\.", r"\1bn\2.")]
    return [*stem, (r"^last_linear\.", "fc."), *_replaced(net), *joined, _GATE]


def _pytorchcv(net: nn.Module, state: Mapping[str, Tensor]) -> _Rules:
    # The stem of the networks for small images is one level less deep.
    start = r"^features\.init_block\.(?:conv\.)?"
    stem = [(rf"{start}bn\.", "bn1."), (rf"{start}conv\.", "conv1.")]
    modules = [(path, module) for path, module in net.named_modules() if isinstance(module, AttentionModule)]
    if modules:
        inside = [rule for path, module in modules for rule in _pytorchcv_module(path, module)]
        return [*stem, *inside, *_pytorchcv_preactivated(net)]
    bam = [(rf"^features\.stage{n + 1}\.unit1\.bam\.", f"attention{n}.") for n in range(1, 5)]
    units = {int(found[1]) for name in state if (found := re.match(r"features\.stage\d+\.unit(\d+)\.", name))}
    blocks = [(rf"^features\.stage(\d+)\.unit{n}\.", rf"layer\1.{n - 1}.") for n in sorted(units)]
    inside = [
        (rf"{_BLOCK}res_unit\.", r"\1"),
        (rf"{_BLOCK}body\.", r"\1"),
        *_replaced(net),
        (rf"{_BLOCK}identity_conv\.conv\.", r"\1downsample.0."),
        (rf"{_BLOCK}identity_conv\.bn\.", r"\1downsample.1."),
        (rf"{_BLOCK}conv(\d)\.conv\.", r"\1conv\2."),
        (rf"{_BLOCK}conv(\d)\.bn\.", r"\1bn\2."),
    ]
    return [*stem, *bam, *blocks, *inside, (r"^output\.", "fc."), _GATE]


def _pytorchcv_module(path: str, module: AttentionModule) -> _Rules:
    """The rules for an attention module, whose backbone is a skip of the hourglass there."""
    mask = module.attention
    assert isinstance(mask, ResidualMask)
    stage, unit = re.findall(r"\d+", path)
    poolings, units = len(mask.down), range(len(mask.bottom))
    names = {"init_blocks.blocks.block1": "first", "final_block": "last"}
    names |= {f"hg.skip_seq.skip1.blocks.block{i + 1}": f"backbone.{i}" for i in range(len(module.backbone))}
    names |= {f"hg.skip_seq.skip{n + 2}.skip1": f"attention.skip.{n}.0" for n in range(poolings - 1)}
    ups = {n: f"up.{n}" for n in range(poolings - 1)} | {poolings - 1: "bottom"}
    for i in units:
        block = f"res_blocks.blocks.block{i + 1}"
        names |= {f"hg.down_seq.down{n + 1}.{block}": f"attention.down.{n}.{i}" for n in range(poolings)}
        names |= {f"hg.up_seq.up{n + 1}.{block}": f"attention.{up}.{i}" for n, up in ups.items()}
    for n in (1, 2):
        names |= {f"middle_block.conv{n}.bn": f"attention.norm{n}", f"middle_block.conv{n}.conv": f"attention.score{n}"}
    theirs = f"features.stage{stage}.unit{int(unit) + 1}"
    return [(rf"^{re.escape(f'{theirs}.{there}')}\.", f"{path}.{ours}.") for there, ours in names.items()]


def _pytorchcv_preactivated(net: nn.Module) -> _Rules:
    """The rules for the blocks whose normalisations come first, in attention modules and beside them."""
    numbers = sorted({int(path.rpartition(".")[2]) for path, _ in net.named_modules() if re.fullmatch(_PLACE, path)})
    return [
        *((rf"^features\.stage(\d+)\.unit{n + 1}\.", rf"layer\1.{n}.") for n in numbers),
        (r"(\.attention\..+\.)body\.conv(\d)\.bn\.", r"\1norm\2."),
        (r"\.body\.conv(\d)\.(bn|conv)\.", r".\2\1."),
        (r"\.identity_conv\.", ".downsample."),
        (r"^features\.post_activ\.bn\.", "norm.0."),
        (r"^output\.", "fc."),
    ]


def _official(net: nn.Module, state: Mapping[str, Tensor]) -> _Rules:
    return [*_replaced(net), (r"^bam(\d)\.", r"attention\1."), _GATE]


_VAN: _Rules = [
    (r"^patch_embed(\d)\.proj\.", r"embed\1.conv."),
    (r"^patch_embed(\d)\.", r"embed\1."),
    (r"^block(\d)\.", r"layer\1."),
    (rf"{_BLOCK}attn\.", r"\1attention."),
    (rf"{_BLOCK}mlp\.fc1\.", r"\1feed_forward.widen."),
    (rf"{_BLOCK}mlp\.dwconv\.dwconv\.", r"\1feed_forward.depthwise."),
    (rf"{_BLOCK}mlp\.fc2\.", r"\1feed_forward.narrow."),
    (rf"{_BLOCK}layer_scale_(\d)$", r"\1scale\2.weight"),
    (r"^head\.", "fc."),
]

_RULES = {"timm": _timm, "pytorchcv": _pytorchcv, "official": _official}


def _replaced(net: nn.Module) -> _Rules:
    """The rule for attention that stands instead of a convolution of a block."""
    blocks = {name: module for name, module in net.named_modules() if re.fullmatch(_PLACE, name)}
    missing = [n for n in (1, 2) if blocks and not any(hasattr(block, f"conv{n}") for block in blocks.values())]
    return [(rf"{_BLOCK}conv{missing[0]}\.", r"\1attention.")] if missing else []


def _expect_function(net: ResNet, state: Mapping[str, Tensor], library: Library) -> None:
    """Raises an error if the library's network pools or strides elsewhere, which no shape shows."""
    if library == "pytorchcv":
        _expect_pytorchcvs_masks(net)
    caffe = library == "timm" and any(name.startswith("layer0.") for name in state)
    pool = net.maxpool
    if isinstance(pool, nn.MaxPool2d) and pool.ceil_mode != caffe:
        form = "without a border, as in Caffe" if caffe else "with a border"
        raise CheckpointError(
            f"These weights are of a network whose stem pools {form}, and {net.name} is another: its outputs would be "
            f"wrong. {_ways(net, caffe)} Nothing was loaded."
        )
    second = net.get_submodule("layer2.0")
    conv = getattr(second, "conv1", None) if hasattr(second, "conv3") else None
    grouped = getattr(getattr(second, "conv2", None), "groups", 1) > 1
    first = caffe and not grouped
    if isinstance(conv, nn.Conv2d) and library != "pytorchcv" and (conv.stride[0] > 1) != first:
        raise CheckpointError(
            f"These weights are of a network with the stride in the {'1x1' if first else '3x3'} convolution, and "
            f"{net.name} has it elsewhere: its outputs would be wrong. {_ways(net, caffe)} Nothing was loaded."
        )


def _expect_pytorchcvs_masks(net: ResNet) -> None:
    masks = [module for module in net.modules() if isinstance(module, ResidualMask)]
    if any(mask.hourglass != "pytorchcv" for mask in masks):
        raise CheckpointError(
            f"{net.name} is the authors' network, and pytorchcv's of the same shapes computes something else: its "
            "masks double the features that a skip unit starts from and add those that they rescale, and it pools with "
            "a border. Name resattnet56 or resattnet92, which compute what it does. Nothing was loaded."
        )


def _ways(net: ResNet, caffe: bool) -> str:
    if caffe:
        return "Name the published network, for example se_resnet50."
    return (
        "Name the plain network and its attention, for example resnet50 with attention='se', and no other stride than "
        "'3x3'."
    )


def _convert(net: ResNet | VAN, path: str, theirs: Mapping[str, Tensor], library: Library) -> dict[str, Tensor]:
    """Converts the tensors of one attention module."""
    module = net.get_submodule(path)
    assert isinstance(module, Mechanism)
    like = module.state_dict()
    if not theirs and like:
        raise CheckpointError(
            f"These weights are not those of {net.name} from {library}: they have no tensor for our "
            f"{path}.{next(iter(like))!s}. {_REMEDY}"
        )
    if not theirs or {name: value.shape for name, value in theirs.items()} == {n: v.shape for n, v in like.items()}:
        return {name: theirs[name].to(value).clone() for name, value in like.items()}
    try:
        return convert_weights(module, theirs, library)
    except (CheckpointError, UnknownNameError) as error:
        raise CheckpointError(f"{path}: {error} Nothing was loaded.") from error


def _faults(needed: Mapping[str, Tensor], names: Mapping[str, str], state: Mapping[str, Tensor]) -> Iterator[str]:
    """Yields a clause for each tensor that is missing, of another shape or too many."""
    for name, value in needed.items():
        if name not in names and not name.endswith("num_batches_tracked"):
            yield f"they have no tensor for our {name}, of shape {tuple(value.shape)}"
        elif name in names and (given := state[names[name]]).shape != value.shape and given.squeeze().ndim:
            yield f"{names[name]} has shape {tuple(given.shape)}, and our {name} has {tuple(value.shape)}"
    for name, there in names.items():
        if name not in needed and not name.endswith("num_batches_tracked"):
            yield f"{there}, of shape {tuple(state[there].shape)}, has no counterpart"


def _expect_numbers(state: Mapping[str, Tensor]) -> None:
    """Raises an error for the first tensor of integers, and for one with values that are not finite."""
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        if not value.is_floating_point():
            raise CheckpointError(
                f"{name} has dtype {value.dtype}, and weights are floating-point numbers. Nothing was loaded."
            )
        if not value.float().isfinite().all():
            raise CheckpointError(
                f"{name} has values that are not finite: the training of these weights diverged, or the file is "
                "damaged. Nothing was loaded."
            )


def _attention_paths(net: nn.Module) -> list[str]:
    """The mechanisms that libraries store in layouts of their own; the rules name all tensors of attention modules."""
    paths: list[str] = []
    modules = [path for path, module in net.named_modules() if isinstance(module, AttentionModule)]
    for path, module in net.named_modules():
        if isinstance(module, Mechanism) and not _in(path, [*paths, *modules]):
            paths.append(path)
    return paths


def _in(name: str, paths: list[str]) -> bool:
    return any(name.startswith(f"{path}.") for path in paths)
