"""Networks for large images: features of each patch, pooled by attention."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from regard.attention.spatial.mil_pool import MILPool
from regard.core.errors import OptionError, ShapeError
from regard.core.options import at_least, flag
from regard.core.tap import taps
from regard.models.classifier import classifier_of


class BagOfPatches(nn.Module):
    """A network that classifies a large image as a bag of patches, with a weight for each patch.

    The network without its classifier computes a vector for every patch; attention pooling computes their weighted sum
    (Ilse et al., see `MILPool`), and one linear layer classifies it. The map of `pool.spatial` is the grid of patches.

    Args:
        net: a classifier with `num_classes` outputs; its last linear layer is removed.
        num_classes: number of outputs, of `net` and of this network.
        in_channels: channels of an image.
        patch: height and width of a patch, in pixels.
        stride: pixels from patch to patch; None means `patch`, less makes them overlap.
        pooling: module from features (b, c, rows, columns) and a mask to (b, c); None means `MILPool(c)`.
        at_once: largest number of patches in one pass through the network. More patches are split into parts of about
            equal size, and in training a batch normalisation uses the statistics of each part.
        recompute: in training, recompute activations in the backward pass instead of storing them: the memory of one
            part at a time, for a third more time. The result is the same.

    Shape:
        x (b, in_channels, h, w) of any size; y (b, num_classes), logits. The last patches at the right and at
        the bottom are padded with zeros.

    Raises:
        OptionError: an option out of its range, or a network without such a classifier.
        ShapeError: an x that is not an image, or sizes that do not fit it.

    Example:
        >>> from regard import models
        >>> net = models.create("resnet8", num_classes=10, in_channels=1)
        >>> bag = BagOfPatches(net, num_classes=10, in_channels=1, patch=16)
        >>> bag(torch.randn(2, 1, 40, 64)).shape
        torch.Size([2, 10])
        >>> bag.grid(40, 64)
        (3, 4)
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        num_classes: int,
        in_channels: int,
        patch: int,
        stride: int | None = None,
        pooling: nn.Module | None = None,
        at_once: int = 256,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes, self.in_channels = num_classes, in_channels
        self.patch = at_least("bag", "patch", patch, 1)
        self.stride = patch if stride is None else at_least("bag", "stride", stride, 1)
        if self.stride > patch:
            raise OptionError(
                f"bag: stride={stride} is not allowed with patch={patch}, because it would leave pixels between the "
                f"patches unseen: take at most {patch}."
            )
        self.at_once = at_least("bag", "at_once", at_once, 1)
        self.recompute = flag("bag", "recompute", recompute)
        self.name = f"{getattr(net, 'name', type(net).__name__)} in patches of {patch}"
        self.net, self.classifier = net, classifier_of(net, num_classes, "bag")
        channels = net.get_submodule(self.classifier).in_features
        assert isinstance(channels, int)
        net.set_submodule(self.classifier, nn.Identity())
        self.pool = MILPool(channels) if pooling is None else pooling
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor, sizes: Tensor | None = None) -> Tensor:
        """Computes the logits, (b, num_classes).

        Args:
            x: images.
            sizes: (b, 2), height and width of each image in a batch that was padded with zeros at the right and at the
                bottom; the result is that of each image alone. An image of size 0 has no patch and features of 0.
        """
        self._expect(x, sizes)
        patches = self._cut(x)
        batch, rows, columns = patches.shape[:3]
        mask = None if sizes is None else self._mask(sizes.to(x.device), rows, columns)
        if mask is None:
            indices = torch.arange(batch * rows * columns, device=x.device)
        else:
            indices = mask.flatten().nonzero().squeeze(1)
        features = self._features(patches, indices)
        if mask is not None:
            everywhere = features.new_zeros(batch * rows * columns, features.shape[1])
            features = everywhere.index_put((indices,), features)
        grid = features.reshape(batch, rows, columns, -1).permute(0, 3, 1, 2)
        return self.fc(self.pool(grid, mask).to(self.fc.weight.dtype))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns the rows and columns of patches in an image of that size."""
        rows, columns = (1 + max(0, math.ceil((size - self.patch) / self.stride)) for size in (height, width))
        return rows, columns

    def adopt(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Renames a state of the plain network to this network's names; a state of this network is unchanged."""
        if any(name.startswith("net.") for name in state):
            return dict(state)
        head = f"{self.classifier}."
        return {
            f"fc.{name.removeprefix(head)}" if name.startswith(head) else f"net.{name}": values
            for name, values in state.items()
        }

    def _cut(self, x: Tensor) -> Tensor:
        """Returns a view of all patches, (b, rows, columns, c, patch, patch)."""
        padding = [
            self.patch + (n - 1) * self.stride - size
            for n, size in zip(self.grid(*x.shape[2:]), x.shape[2:], strict=True)
        ]
        x = nn.functional.pad(x, (0, padding[1], 0, padding[0]))
        patches = x.unfold(2, self.patch, self.stride).unfold(3, self.patch, self.stride)
        return patches.permute(0, 2, 3, 1, 4, 5)

    def _mask(self, sizes: Tensor, rows: int, columns: int) -> Tensor:
        """Returns (b, rows, columns), True for the patches that an image of that size has."""
        reach = (sizes - self.patch).clamp_min(0) + self.stride * (sizes > 0)
        down = torch.arange(rows, device=sizes.device) * self.stride < reach[:, :1]
        right = torch.arange(columns, device=sizes.device) * self.stride < reach[:, 1:]
        return down[:, :, None] & right[:, None, :]

    def _features(self, patches: Tensor, indices: Tensor) -> Tensor:
        """Computes (n, c), the features of the patches with these flat indices."""
        rows, columns = patches.shape[1:3]
        if torch.compiler.is_exporting():  # a number of parts would freeze batch and size in the graph
            return self._run(patches.flatten(0, 2))
        parts = []
        for part in indices.tensor_split(max(1, math.ceil(len(indices) / self.at_once))):
            image, index = part // (rows * columns), part % (rows * columns)
            chosen = patches[image, index // columns, index % columns]
            parts.append(self._run(chosen) if len(part) else chosen.new_zeros(0, self.fc.in_features))
        return torch.cat(parts)

    def _run(self, patches: Tensor) -> Tensor:
        if self.recompute and self.training and torch.is_grad_enabled():
            contexts: Callable[[], tuple[AbstractContextManager[None], AbstractContextManager[None]]] = partial(
                _recompute_contexts, self.net
            )
            return checkpoint(self.net, patches, use_reentrant=False, context_fn=contexts)
        return self.net(patches)

    def _expect(self, x: Tensor, sizes: Tensor | None) -> None:
        if x.ndim != 4 or x.shape[1] != self.in_channels or not x.is_floating_point() or 0 in x.shape[2:]:
            raise ShapeError(
                f"{self.name}: the images have shape {tuple(x.shape)} and dtype {x.dtype}; the network takes "
                f"floating-point images (b, {self.in_channels}, h, w)."
            )
        if sizes is not None and (sizes.shape != (len(x), 2) or sizes.is_floating_point()):
            raise ShapeError(
                f"{self.name}: sizes has shape {tuple(sizes.shape)} and dtype {sizes.dtype}; it must contain height "
                f"and width of each of the {len(x)} images, ({len(x)}, 2), as integers."
            )


def image_taps(net: nn.Module) -> tuple[str, ...] | None:
    """Returns the taps with maps over whole images; None if all are.

    In a bag of patches, maps inside the network are over single patches.

    >>> from regard import models
    >>> image_taps(models.create("se_resnet8")), image_taps(models.create("se_resnet8", patch=16))
    (None, ('pool.spatial',))
    """
    if not isinstance(net, BagOfPatches):
        return None
    return tuple(path for path in taps(net) if not path.startswith("net."))


def _recompute_contexts(net: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Returns contexts for the first pass and for its recomputation, which leaves running statistics unchanged."""
    return nullcontext(), _freeze_statistics(net)


@contextmanager
def _freeze_statistics(net: nn.Module) -> Iterator[None]:
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm) and module.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, number) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, number
