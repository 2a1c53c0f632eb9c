import pytest
import torch
from PIL import Image

from regard.data.clip_files import ClipFile, FileClips, FileSounds, resampled
from tests.data.clip_writing import grey_frames, tone, write_sound, write_video


@pytest.fixture
def clips(tmp_path):
    write_video(tmp_path / "a.mkv", grey_frames([10, 20, 30, 40], 40, 60), codec="ffv1")
    frames = []
    for number, level in enumerate((50, 60, 70)):
        Image.new("L", (60, 40), level).save(tmp_path / f"{number}.png")
        frames.append(f"{number}.png")
    files = [
        ClipFile("a.mkv", 4, 40, 60, "1", shown=(0, 0, 1, 3)),
        ClipFile("frames", 3, 40, 60, "2", frames=tuple(frames)),
    ]
    return FileClips(tmp_path, files, torch.tensor([0, 1]))


def test_frames_are_those_shown_in_time(clips):
    assert clips.read(0)[0, :, 0, 0].tolist() == [10, 10, 20, 40]
    assert clips.read(0, torch.tensor([1, 2]))[0, :, 0, 0].tolist() == [10, 20]


def test_frames_of_both_kinds_cover_a_size(clips):
    for index in range(2):
        assert clips.read(index, torch.tensor([1]), (20, 20)).shape == (3, 1, 20, 30)
    assert clips.read(1, size=(100, 100)).shape == (3, 3, 40, 60)


def test_taken_and_joined_clips_keep_their_files(clips):
    both = clips.take(torch.tensor([1])).join(clips.take(torch.tensor([0])))
    assert [both.names(i) for i in range(2)] == ["frames", "a.mkv"]
    assert both.contents() == ("2", "1")
    assert both.files() == 4
    assert both.labels.tolist() == [1, 0]


def test_sounds_have_the_length_that_is_read(tmp_path):
    write_sound(tmp_path / "a.wav", tone(440, 0.1, 11_025), 11_025)
    file = ClipFile("a.wav", 1102, 0, 0, "1", rate=11_025.0)
    sounds = FileSounds(tmp_path, [file], torch.tensor([0]), rate=8000)
    assert sounds.read(0).shape == (1, int(sounds.lengths[0])) == (1, resampled(file, 8000))
    assert sounds.join(sounds.take(torch.tensor([0]))).names(1) == "a.wav"
