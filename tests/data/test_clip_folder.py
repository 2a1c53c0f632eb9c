import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from regard.core.errors import DataError
from regard.data import (
    clip_loader,
    clip_preprocessing_for,
    open_clips,
    open_clips_to_predict,
    open_clips_to_score,
    open_sound,
)
from regard.data.clip_checking import BadClipError
from tests.data.clip_writing import grey_frames, tone, write_sound, write_video


@pytest.fixture
def videos(tmp_path):
    root = tmp_path / "videos"
    for label, levels in (("dark", [20, 40]), ("light", [200, 240])):
        for number in range(4):
            write_video(root / label / f"{number}.mp4", grey_frames(np.linspace(*levels, 5 + number)))
    return root


def write_frames(folder, levels, size=(8, 12)):
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels, start=8):
        Image.new("L", size, level).save(folder / f"f{number}.png")


def test_videos_of_unequal_length_are_masked(videos):
    source = open_clips(f"clips:{videos}:size=16")
    train = source.splits["train"]
    assert source.classes == ("dark", "light")
    assert str(source.account).startswith("8 files: 8 used")
    preprocessing = clip_preprocessing_for(source)
    batch = next(iter(clip_loader(train, preprocessing, batch_size=8)))
    assert batch.inputs.shape == (len(train), 3, int(train.lengths.max()), 16, 16)
    assert batch.mask.sum(1).tolist() == train.lengths.tolist()
    shown = preprocessing.restore(batch.inputs[0])[:, : train.lengths[0], 8, 8].float().mean(0)
    low, high = (20, 40) if batch.labels[0] == 0 else (200, 240)
    assert shown.tolist() == pytest.approx(np.linspace(low, high, len(shown)), abs=4)


def test_folders_of_frames_are_in_natural_order(tmp_path):
    for label in ("a", "b"):
        for clip in range(3):
            write_frames(tmp_path / "set" / label / f"clip{clip}", [10 * clip, 100, 200 + clip + (label == "b")])
    source = open_clips(f"clips:{tmp_path / 'set'}")
    assert (source.channels, source.account.found) == (1, 18)
    train = source.splits["train"]
    for index in range(len(train)):
        clip = train.read(index)
        assert clip.shape == (1, 3, 12, 8)
        assert clip[0, 1:, 0, 0].tolist() == [100, 200 + int(train.names(index)[-1]) + int(train.labels[index])]


def test_a_broken_frame_leaves_its_clip_out(tmp_path):
    root = tmp_path / "set"
    for label in ("a", "b"):
        for clip in range(4):
            write_frames(root / label / f"clip{clip}", [clip, 100 + (label == "b")])
    (root / "a" / "clip0" / "f8.png").write_bytes(b"no image")
    write_frames(root / "b" / "clip0", [3], size=(5, 5))
    (root / "a" / "loose.png").write_bytes(b"")
    source = open_clips(f"clips:{root}")
    reasons = " ".join(source.account.reasons())
    assert "no image in a format" in reasons
    assert "first frame of its clip" in reasons
    assert "directly in a class folder" in reasons
    assert sum(map(len, source.splits.values())) == 6


@pytest.mark.parametrize("fault", ["truncated", "no video", "empty", "noise"])
def test_bad_videos_are_named(videos, fault):
    path = videos / "dark" / "bad.mp4"
    if fault == "no video":
        write_sound(videos.parent / "a.wav", tone(440, 0.1))
        shutil.copy(videos.parent / "a.wav", path)
    else:
        whole = (videos / "dark" / "0.mp4").read_bytes()
        content = {"truncated": whole[: len(whole) // 2], "empty": b"", "noise": bytes(range(256)) * 20}[fault]
        path.write_bytes(content)
    source = open_clips(f"clips:{videos}")
    (bad,) = source.account.bad
    assert bad.path.endswith("bad.mp4")
    words = {"no video": "no video stream, only audio", "empty": "0 bytes", "noise": "no video"}
    assert words.get(fault, "may be truncated") in bad.reason
    with pytest.raises(BadClipError, match=r"bad\.mp4"):
        open_clips(f"clips:{videos}", on_bad="fail")


def test_splits_of_its_own_are_kept(videos):
    root = videos.parent / "splits"
    for split in ("train", "test"):
        for label in ("dark", "light"):
            (root / split / label).mkdir(parents=True)
            for number in (0, 1, 2) if split == "train" else (3,):
                shutil.copy(videos / label / f"{number}.mp4", root / split / label)
    source = open_clips(f"clips:{root}")
    assert {split: len(clips) for split, clips in source.splits.items()} == {"train": 4, "val": 2, "test": 2}
    scored = open_clips_to_score(f"clips:{root}", ("light", "dark"))
    assert {split: len(clips) for split, clips in scored.splits.items()} == {"all": 8, "train": 6, "test": 2}
    assert scored.classes[int(scored.splits["test"].labels[0])] in scored.splits["test"].names(0)


def test_sounds_of_any_format_have_one_rate(tmp_path):
    root = tmp_path / "tones"
    stereo = np.stack((tone(440, 0.5, 44_100), -tone(440, 0.5, 44_100)), 1)
    for number in range(3):
        write_sound(root / "low" / f"{number}.wav", tone(440, 0.3 + number / 10, 8000), 8000, "PCM_U8")
        write_sound(root / "high" / f"{number}.flac", tone(1000 + number, 0.5, 22_050), 22_050, "PCM_24")
    write_sound(root / "high" / "stereo.wav", stereo, 44_100, "PCM_24")
    write_sound(root / "low" / "none.wav", np.zeros(0))
    write_sound(root / "low" / "long.wav", tone(440, 2))
    (root / "low" / "cut.wav").write_bytes((root / "low" / "0.wav").read_bytes()[:1000])
    source = open_sound(f"sound:{root}:rate=8000,bands=20,limit=100")
    reasons = " ".join(entry.reason for entry in source.account.bad)
    assert "0 samples" in reasons
    assert "over the limit of 100" in reasons
    assert "truncated" in reasons
    sounds = {clips.names(i): clips.read(i) for clips in source.splits.values() for i in range(len(clips))}
    assert sounds["high/stereo.wav"].abs().max() < 1e-4
    assert sounds["low/0.wav"].shape == (1, 2400)
    assert torch.allclose(sounds["low/0.wav"][0], torch.tensor(tone(440, 0.3, 8000)).float(), atol=0.02)
    preprocessing = clip_preprocessing_for(source)
    batches = list(clip_loader(source.splits["train"], preprocessing, batch_size=8))
    there = torch.cat([batch.inputs.transpose(1, 2)[batch.mask] for batch in batches])
    assert there.mean(0).abs().max() < 1e-4
    assert (there.std(0, correction=0) - 1).abs().max() < 1e-3


def test_an_empty_class_is_named(tmp_path):
    write_sound(tmp_path / "set" / "a" / "0.wav", tone(440, 0.1))
    (tmp_path / "set" / "b").mkdir()
    (tmp_path / "set" / "b" / "notes.m4a").write_bytes(b"1")
    with pytest.raises(DataError, match=r"b has no sound .*notes\.m4a.*WAV or FLAC"):
        open_sound(f"sound:{tmp_path / 'set'}")


def test_files_without_classes_are_opened(videos):
    preprocessing = clip_preprocessing_for(open_clips(f"clips:{videos}:size=16"))
    (videos / "bad.mp4").write_bytes(b"no video")
    write_frames(videos / "frames", [10, 20])
    clips, account = open_clips_to_predict([videos / "dark" / "0.mp4", videos], preprocessing)
    assert len(clips) == 9
    assert (account.found, account.used["all"], len(account.bad)) == (11, 10, 1)
    assert {preprocessing.read(clips, i).shape[0] for i in range(9)} == {3}
    with pytest.raises(BadClipError, match=r"bad\.mp4"):
        open_clips_to_predict([videos], preprocessing, on_bad="fail")
    with pytest.raises(DataError, match="single image"):
        open_clips_to_predict([videos / "frames" / "f8.png"], preprocessing)


def test_two_processes_read_the_same_batches(videos):
    source = open_clips(f"clips:{videos}:size=16,frames=3,sampling=random")
    preprocessing = clip_preprocessing_for(source)

    def batches(workers):
        loader = clip_loader(
            source.splits["train"], preprocessing, batch_size=2, shuffle=True, training=True, workers=workers
        )
        loader.sampler.set_epoch(3)
        return [(batch.inputs, batch.indices) for batch in loader]

    for one, other in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
