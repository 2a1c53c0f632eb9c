import dataclasses
import itertools

import pytest
import torch
from scipy import stats

from regard.core import Draws, OptionError
from regard.core.draws import philox
from regard.core.seeding import key

WAYS = ("uniform", "normal", "gumbel", "logistic")
LAWS = {"uniform": "uniform", "normal": "norm", "gumbel": "gumbel_r", "logistic": "logistic"}

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""The known answers of Random123, the authors' own code, for philox4x32 with ten rounds."""


def draws(count=64, **where):
    return Draws(seed=where.pop("seed", key("draws")), indices=torch.arange(count), **where)


@pytest.mark.parametrize(("counter", "seed", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, seed, words):
    made = philox(tuple(torch.tensor([word]) for word in counter), seed)
    assert tuple(word.item() for word in made) == words


@pytest.mark.parametrize("way", WAYS)
def test_neither_split_nor_order_of_the_batch_matters(way):
    rows = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    whole = getattr(draws(), way)(3, 2)
    assert whole.shape == (64, 3, 2)
    parts = [getattr(Draws(seed=key("draws"), indices=part), way)(3, 2) for part in rows.split(7)]
    assert torch.equal(torch.cat(parts), whole[rows])
    assert torch.equal(getattr(draws(), way)(3, 2), whole)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_follow_their_law(way, dtype):
    numbers = getattr(draws(400), way)(50, 5, dtype=dtype)
    assert numbers.dtype == dtype
    assert numbers.isfinite().all()
    law = getattr(stats, LAWS[way])
    flat = numbers.double().flatten().numpy()
    assert stats.kstest(flat, law.cdf).pvalue > 1e-3
    mean, variance = law.stats(moments="mv")
    assert abs(flat.mean() - mean) < 5 * (variance / flat.size) ** 0.5
    assert abs(flat.var() / variance - 1) < 0.05


@pytest.mark.parametrize("seed", [0, 1, key("draws"), 2**63 - 1])
def test_neighbours_are_uncorrelated(seed):
    def row(**where):
        return draws(100, seed=where.pop("seed", seed), **where).uniform(100).double()

    here = row()
    others = [
        row(seed=max(seed - 1, 0) if seed else 1),
        row(epoch=1),
        row(rollout=1),
        row(step=1),
        here.roll(1, 0),
        here.roll(1, 1),
    ]
    for other in others:
        correlation = torch.corrcoef(torch.stack((here.flatten(), other.flatten())))[0, 1]
        assert abs(correlation) < 0.05


def test_no_number_of_64_bits_repeats():
    made = [
        draws(20, seed=seed, epoch=epoch, rollout=rollout, step=step).uniform(5, dtype=torch.float64).flatten()
        for seed, epoch, rollout, step in itertools.product((0, 1, 2**32, key(0)), (0, 1), (0, 1), (0, 1))
    ]
    numbers = torch.cat(made)
    assert numbers.unique().numel() == numbers.numel()


def test_uniform_numbers_are_strictly_inside(monkeypatch):
    for word in (0, 0xFFFFFFFF):
        monkeypatch.setattr(Draws, "_words", lambda self, count, word=word: torch.full((1, count), word))
        for dtype in (torch.float32, torch.float64):
            assert 0 < draws(1).uniform(1, dtype=dtype).item() < 1
            for way in WAYS:
                assert getattr(draws(1), way)(1, dtype=dtype).isfinite().all()


def test_other_places_and_names_draw_other_numbers():
    here = draws(4)
    made = [here, here.at(epoch=1), here.at(rollout=1), here.at(step=1), here.of("layer1"), here.of("layer2")]
    numbers = torch.stack([other.uniform(8) for other in made])
    assert numbers.unique().numel() == numbers.numel()
    assert torch.equal(here.at(epoch=3, step=2).uniform(8), draws(4, epoch=3, step=2).uniform(8))
    assert torch.equal(here.of("layer1").uniform(8), made[4].uniform(8))
    assert draws(4).uniform().shape == (4,)
    assert draws(0).uniform(3, 2).shape == (0, 3, 2)


def test_draws_are_a_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        draws().step = 1


def test_it_compiles_without_a_break():
    seed = key(0)

    def noise(indices):
        return Draws(seed=seed, indices=indices, epoch=3).at(step=1).normal(3, 2)

    indices = torch.arange(6)
    compiled = torch.compile(noise, backend="eager", fullgraph=True)
    assert torch.equal(compiled(indices), noise(indices))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_draws_the_same_numbers():
    here, there = draws(), Draws(seed=key("draws"), indices=torch.arange(64).cuda())
    assert torch.equal(there.uniform(9).cpu(), here.uniform(9))
    torch.testing.assert_close(there.normal(9).cpu(), here.normal(9))


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"seed": -1}, "seed=-1 is not allowed"),
        ({"seed": 2**63}, r"a seed is below 2\*\*63"),
        ({"step": 1 << 16}, "step=65536 is not allowed; .* a rollout and a step below 65,536"),
        ({"epoch": -1}, "epoch=-1 is not allowed"),
        ({"indices": torch.zeros(2, 1, dtype=torch.int64)}, r"they must be \(b,\) int64"),
        ({"indices": torch.zeros(2)}, r"they must be \(b,\) int64"),
    ],
)
def test_wrong_draws_are_said(where, says):
    with pytest.raises(OptionError, match=says):
        Draws(**{"seed": 0, "indices": torch.arange(2)} | where)


def test_halves_are_refused():
    with pytest.raises(OptionError, match=r"dtype=torch\.float16 is not allowed"):
        draws().uniform(2, dtype=torch.float16)
