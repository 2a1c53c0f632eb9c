import numpy as np
import pytest
import torch

from regard.data.clip_checking import BadClipError
from regard.data.video import check_video, covering, read_video
from tests.data.clip_writing import grey_frames, write_video


def test_lossless_frames_are_read_as_written(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 20, 3)).astype(np.uint8)
    write_video(tmp_path / "a.mkv", frames, codec="ffv1")
    read = read_video(tmp_path / "a.mkv", torch.tensor([0, 2, 2, 4]), None)
    assert torch.equal(read, torch.from_numpy(frames[[0, 2, 2, 4]]).permute(3, 0, 1, 2))
    checked = check_video(tmp_path / "a.mkv")
    assert (checked.length, checked.height, checked.width, checked.shown) == (5, 16, 20, ())
    assert checked.rate == pytest.approx(10)


def test_large_frames_are_reduced_while_decoded(tmp_path):
    frames = grey_frames([90, 200], 2160, 3840)
    frames[:, :, :1920] = 0
    write_video(tmp_path / "4k.mp4", frames)
    read = read_video(tmp_path / "4k.mp4", torch.arange(2), (64, 64))
    assert read.shape == (3, 2, 64, 114)
    assert (read[..., :55] <= 3).all()
    assert read[0, :, 30, 60:].float().mean(1).tolist() == pytest.approx([90, 200], abs=3)


def test_a_variable_rate_is_sampled_evenly_in_time(tmp_path):
    times = [0, 100, 200, 300, 400, 800, 1200]
    write_video(tmp_path / "a.mkv", grey_frames([0, 10, 20, 30, 40, 80, 120]), times=times, rate=10, codec="ffv1")
    checked = check_video(tmp_path / "a.mkv")
    even = np.arange(7) * 1300 / 7
    assert checked.length == 7
    assert list(checked.shown) == [sum(time <= moment for time in times) - 1 for moment in even]


def test_a_truncated_video_says_so(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3)).astype(np.uint8)
    write_video(tmp_path / "whole.avi", frames)
    content = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    assert check_video(tmp_path / "whole.avi").reason is None
    assert "truncated" in check_video(tmp_path / "cut.avi").reason


def test_a_video_that_changed_is_named(tmp_path):
    write_video(tmp_path / "a.mp4", grey_frames([1, 2]))
    with pytest.raises(BadClipError, match=r"a\.mp4.*no frame 7"):
        read_video(tmp_path / "a.mp4", torch.tensor([7]), None)
    with pytest.raises(BadClipError, match="no such file"):
        read_video(tmp_path / "b.mp4", torch.tensor([0]), None)


def test_no_frame_is_enlarged():
    assert covering(10, 30, (20, 20)) == (10, 30)
    assert covering(100, 50, (20, 20)) == (40, 20)
    assert covering(100, 50, None) == (100, 50)
