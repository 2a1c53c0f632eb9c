"""Seeds as functions of their purpose: the same purpose gets the same numbers in every arm and after a resume."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def key(*parts: int | str) -> int:
    """A 63-bit seed that depends on every part and on nothing else (not on the process, not on the order of calls).

    >>> key(0, "layer1.0.conv1.weight") == key(0, "layer1.0.conv1.weight")
    True
    >>> key(0, 1) == key("0", 1)
    False
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A CPU generator seeded with `key(*parts)`."""
    return torch.Generator().manual_seed(key(*parts))


@contextmanager
def use_seed(*parts: int | str) -> Iterator[None]:
    """Seeds PyTorch's CPU generator with `key(*parts)` inside the block, and restores its state afterwards."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(key(*parts))
    try:
        yield
    finally:
        torch.set_rng_state(state)
