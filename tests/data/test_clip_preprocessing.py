import numpy as np
import pytest
import torch

from regard.core.errors import DataError, OptionError, ShapeError
from regard.core.seeding import generator
from regard.data import ArrayClips, ClipPreprocessing, clip_preprocessing_for, open_clips, open_sound
from regard.data.clip_preprocessing import frames_shown, seconds_a_frame
from regard.data.mel import Mel


def sampler(frames, sampling, stride=1):
    return ClipPreprocessing("clip", 1, (0.5,), (0.2,), (4, 4), frames=frames, sampling=sampling, stride=stride)


def test_uniform_frames_are_the_middles_of_segments():
    assert sampler(4, "uniform").choose(40).tolist() == [4, 14, 24, 34]
    assert sampler(4, "uniform").choose(40, generator(0)).tolist() == [4, 14, 24, 34]
    assert sampler(4, "uniform").choose(3).tolist() == [0, 1, 2]
    assert sampler(None, "uniform").choose(5).tolist() == [0, 1, 2, 3, 4]


def test_random_frames_are_one_of_each_segment():
    chosen = torch.stack([sampler(5, "random").choose(50, generator(i)) for i in range(200)])
    assert torch.equal(chosen // 10, torch.arange(5).expand(200, 5))
    assert [len((chosen[:, k] % 10).unique()) for k in range(5)] == [10] * 5
    assert torch.equal(sampler(5, "random").choose(50), sampler(5, "uniform").choose(50))


def test_dense_frames_are_consecutive():
    starts = {int(sampler(4, "dense", 3).choose(20, generator(i))[0]) for i in range(300)}
    assert starts == set(range(11))
    assert sampler(4, "dense", 3).choose(20).tolist() == [5, 8, 11, 14]
    assert sampler(4, "dense", 3).choose(7).tolist() == [0, 3, 6]
    assert sampler(None, "dense", 2).choose(5).tolist() == [0, 2, 4]


@pytest.mark.parametrize("length", [1, 2, 7, 31])
@pytest.mark.parametrize("sampling", ["uniform", "random", "dense"])
def test_chosen_frames_exist_and_ascend(length, sampling):
    for seed in range(20):
        chosen = sampler(5, sampling, 3).choose(length, generator(seed))
        assert 1 <= len(chosen) <= 5
        assert chosen[0] >= 0
        assert chosen[-1] < length
        assert (chosen.diff() > 0).all()


def test_the_record_is_read_back():
    mel = ClipPreprocessing("sound", 20, (0.0,) * 20, (1.0,) * 20, mel=Mel(bands=20, hop=5.0))
    for one in (mel, sampler(4, "dense", 3)):
        assert ClipPreprocessing.from_json(one.to_json()) == one
    assert frames_shown(
        mel, ArrayClips.of(torch.zeros(800, 1), torch.tensor([800]), torch.zeros(1), "x"), 0
    ).tolist() == [*range(11)]
    assert seconds_a_frame(mel) == 0.005
    with pytest.raises(DataError):
        ClipPreprocessing.from_json({"kind": "clip"})
    with pytest.raises(OptionError, match="not possible"):
        ClipPreprocessing("sound", 2, (0.0,), (1.0, 1.0))


def test_series_are_normalised_by_their_own_statistics(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3, 50)) * [[1e-9], [1.0], [0.0]] + [[0.0], [1e6], [7.0]]
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(30) % 2)
    source = open_sound(f"sound:{tmp_path / 'a.npz'}")
    preprocessing, train = clip_preprocessing_for(source), source.splits["train"]
    read = torch.cat([preprocessing.read(train, i) for i in range(len(train))], 1)
    assert torch.allclose(read.mean(1), torch.zeros(3), atol=1e-4)
    assert torch.allclose(read.std(1, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4)
    assert torch.allclose(preprocessing.restore(read)[1], torch.tensor(1e6), atol=10)
    with pytest.raises(ShapeError, match="takes 3 channels"):
        preprocessing.read(ArrayClips.of(torch.zeros(5, 2), torch.tensor([5]), torch.zeros(1), "x"), 0)


def test_clips_are_normalised_and_restored(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 6, 12, 10)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(20) % 2)
    source = open_clips(f"clips:{tmp_path / 'a.npz'}")
    preprocessing, train = clip_preprocessing_for(source), source.splits["train"]
    assert (preprocessing.size, preprocessing.resize, preprocessing.frames) == ((12, 10), "exact", None)
    assert torch.equal(preprocessing.restore(preprocessing.read(train, 0)), train.read(0))
    small = clip_preprocessing_for(source, size="8x4", frames=2)
    assert small.read(train, 0).shape == (3, 2, 8, 4)
    assert small.resize == "crop"
