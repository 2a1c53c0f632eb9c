"""The check of every image at opening: what it sees, what it remembers."""

import os

import numpy as np
import pytest
from PIL import Image

from regard.data.checking import check_images
from regard.data.reading import PIXEL_LIMIT


def check(root, *files, max_pixels=PIXEL_LIMIT, progress=None):
    return check_images(root, files, max_pixels=max_pixels, progress=progress)


def test_what_is_seen_of_a_small_image(tmp_path, noise):
    Image.fromarray(noise(0, 30, 20)).save(tmp_path / "a.png")
    (seen,) = check(tmp_path, "a.png")
    values = noise(0, 30, 20).reshape(-1, 3) / 255
    assert (seen.reason, seen.height, seen.width, seen.grey) == (None, 30, 20, False)
    np.testing.assert_allclose(seen.mean, values.mean(0))
    np.testing.assert_allclose(seen.square, (values**2).mean(0))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_large_image_is_measured_reduced(tmp_path, suffix):
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    image = np.stack([np.broadcast_to(ramp, (900, 1600)), np.full((900, 1600), 51), np.full((900, 1600), 204)], 2)
    Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"a.{suffix}", quality=95)
    (seen,) = check(tmp_path, f"a.{suffix}")
    assert (seen.height, seen.width) == (900, 1600)
    np.testing.assert_allclose(seen.mean, (0.5, 0.2, 0.8), atol=0.01)
    np.testing.assert_allclose(seen.square[0] - seen.mean[0] ** 2, 1 / 12, atol=0.003)


def test_the_size_is_that_of_the_upright_image(tmp_path, noise):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(0, 30, 20)).save(tmp_path / "a.jpg", exif=exif)
    (seen,) = check(tmp_path, "a.jpg")
    assert (seen.height, seen.width) == (20, 30)


def test_the_same_content_has_the_same_digest(tmp_path, noise):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        Image.fromarray(noise(seed)).save(tmp_path / f"{name}.png")
    a, b, c = (seen.digest for seen in check(tmp_path, "a.png", "b.png", "c.png"))
    assert a == b != c


def test_bad_files_have_reasons_others_are_checked(tmp_path, noise):
    Image.fromarray(noise(0, 200, 300)).save(tmp_path / "good.jpg")
    Image.fromarray(noise(0, 200, 300)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-500])
    (tmp_path / "empty.jpg").touch()
    seen = check(tmp_path, "empty.jpg", "good.jpg", "cut.jpg", "absent.jpg")
    reasons = [one.reason and one.reason.split(" (")[0] for one in seen]
    assert reasons == ["the file is empty", None, "the file is truncated", "there is no such file"]


def test_only_changed_files_are_checked_again(tmp_path, noise):
    path = tmp_path / "a.bmp"
    Image.fromarray(noise(0)).save(path)
    (first,) = check(tmp_path, "a.bmp")
    time = path.stat().st_mtime_ns
    Image.fromarray(noise(1)).save(path)
    os.utime(path, ns=(time, time))
    assert check(tmp_path, "a.bmp") == [first]
    os.utime(path, ns=(time + 1, time + 1))
    (second,) = check(tmp_path, "a.bmp")
    assert second.mean != first.mean


def test_bad_file_is_checked_again(tmp_path, noise):
    path = tmp_path / "a.png"
    Image.fromarray(noise(0)).save(path)
    time, content = path.stat().st_mtime_ns, path.read_bytes()
    path.write_bytes(b"x" * len(content))
    os.utime(path, ns=(time, time))
    assert check(tmp_path, "a.png")[0].reason
    path.write_bytes(content)
    os.utime(path, ns=(time, time))
    assert check(tmp_path, "a.png")[0].reason is None


def test_another_pixel_limit_is_another_check(tmp_path, noise):
    Image.fromarray(noise(0, 30, 20)).save(tmp_path / "a.png")
    assert check(tmp_path, "a.png")[0].reason is None
    assert "over the limit" in check(tmp_path, "a.png", max_pixels=599)[0].reason


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a.png": 1}', '{"a.png": [1, 2]}'])
def test_a_broken_memory_is_as_none(tmp_path, noise, cache, content):
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    before = check(tmp_path, "a.png")
    (memory,) = cache.rglob("*.json")
    memory.write_text(content)
    assert check(tmp_path, "a.png") == before


def test_unwritable_cache_is_no_error(tmp_path, noise, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "file"))
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    assert check(tmp_path, "a.png")[0].reason is None


def test_progress_counts_to_the_end(tmp_path, noise):
    for name in "abc":
        Image.fromarray(noise(0)).save(tmp_path / f"{name}.png")
    told = []
    check(tmp_path, "a.png", "b.png", "c.png", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
