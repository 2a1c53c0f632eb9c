"""The one reader: every kind of image becomes what it shows, everything else is refused with a reason."""

import io
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from regard.core.errors import OptionError
from regard.data import BadImageError, read_image
from regard.data.checking import check_images
from regard.data.reading import upright_size


def png(width, height, depth, colour, rows=b""):
    """The bytes of a PNG file, written by its specification."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pixels(path, channels=3):
    image = read_image(path, channels)
    assert image.dtype == torch.uint8
    assert image.shape[0] == channels
    return image.permute(1, 2, 0).tolist()


def test_rgb_as_it_is(tmp_path, noise):
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").permute(1, 2, 0).numpy(), noise(0))


def test_grey_as_grey_and_as_rgb(tmp_path, noise):
    Image.fromarray(noise(0, channels=1)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 1)[0].numpy(), noise(0, channels=1))
    assert torch.equal(read_image(tmp_path / "a.png", 3), read_image(tmp_path / "a.png", 1).expand(3, -1, -1))


def test_rgb_becomes_grey_by_luma_weights(tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png", 1) == [[[round(255 * w)] for w in (0.299, 0.587, 0.114)]]


def test_cmyk(tmp_path):
    inks = np.array([[[0, 255, 255, 0], [255, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "a.tif")
    assert pixels(tmp_path / "a.tif") == [[[255, 0, 0], [0, 255, 255], [255, 255, 255], [0, 0, 0]]]


def test_palette(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), mode="P")
    image.putpalette([9, 8, 7, 200, 100, 50, 0, 0, 0])
    image.save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png") == [[[9, 8, 7], [200, 100, 50], [0, 0, 0]]]
    image.save(tmp_path / "b.png", transparency=2)
    assert pixels(tmp_path / "b.png") == [[[9, 8, 7], [200, 100, 50], [255, 255, 255]]]


def test_black_and_white(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png", 1) == [[[255], [0]]]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_scaled_not_clipped(tmp_path, name):
    Image.fromarray(np.array([[0, 257, 300, 128 * 257, 65535]], np.uint16)).save(tmp_path / name)
    assert pixels(tmp_path / name, 1) == [[[0], [1], [1], [128], [255]]]


def test_16_bits_high_byte_first(tmp_path):
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 128 * 257, 65535)))
    assert pixels(tmp_path / "a.png", 1) == [[[128], [255]]]


def test_16_bits_in_colour(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0, 128 * 257, 65535)))
    assert pixels(tmp_path / "a.png") == [[[0, 128, 255]]]


def test_transparent_is_laid_on_white(tmp_path):
    Image.fromarray(np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 102]]], np.uint8)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png") == [[[255] * 3, [0] * 3, [153] * 3]]
    Image.fromarray(np.array([[[0, 0], [80, 255]]], np.uint8), mode="LA").save(tmp_path / "b.png")
    assert pixels(tmp_path / "b.png", 1) == [[[255], [80]]]


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "lime", "blue")]
    for suffix in ("gif", "png", "webp"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        assert pixels(path) == [[[255, 0, 0]] * 3] * 2


def test_exif_orientation(tmp_path, noise):
    stored = noise(0, 4, 6)
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored),
    }
    for orientation, expected in upright.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(stored).save(path, exif=exif)
        np.testing.assert_array_equal(read_image(path).permute(1, 2, 0).numpy(), expected)
        with Image.open(path) as image:
            assert upright_size(image) == expected.shape[:2]


def test_image_with_broken_exif_is_read(tmp_path, noise):
    Image.fromarray(noise(0)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 9)
    assert read_image(tmp_path / "a.jpg").shape == (3, 12, 10)


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png") == [[[1, 2, 3]]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp", "ppm"])
def test_truncated_is_refused(tmp_path, noise, suffix):
    whole = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(0, 90, 80)).save(whole)
    read_image(whole)
    cut = tmp_path / f"cut.{suffix}"
    for share in (0.02, 0.5, 0.9):
        cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
        with pytest.raises(BadImageError, match=rf"{cut}.*cannot be used") as error:
            read_image(cut)
        assert error.value.image.path == str(cut)


def test_refused_with_the_reason(tmp_path, noise):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.full((2, 2), 70_000, np.int32)).save(tmp_path / "wide.tif")
    Image.fromarray(noise(0, 90, 80)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:5000])
    reasons = {
        "empty.png": r"empty \(0 bytes\)",
        "text.jpg": "no image",
        "folder.png": "folder",
        "absent.png": "no such file",
        "float.tif": "floating point",
        "wide.tif": "more than 16 bits",
        "cut.png": "truncated",
    }
    for name, reason in reasons.items():
        with pytest.raises(BadImageError, match=reason):
            read_image(tmp_path / name)


def test_pixel_limit_applies_before_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png(10_000, 11_000, 8, 0))
    with pytest.raises(BadImageError, match=r"10000 x 11000 = 110,000,000 pixels, over the limit of 100,000,000"):
        read_image(tmp_path / "a.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png", max_pixels=200).shape == (3, 10, 20)
    with pytest.raises(BadImageError, match="over the limit of 199"):
        read_image(tmp_path / "b.png", max_pixels=199)


def test_a_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000, 8, 0))
    with pytest.raises(BadImageError, match="Pillow's own limit"):
        read_image(tmp_path / "a.png", max_pixels=10**10)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp"])
def test_damaged_bytes_are_read_or_refused(tmp_path, suffix):
    image = Image.new("RGB", (40, 30), "navy")
    ImageDraw.Draw(image).ellipse((5, 5, 30, 25), fill="orange")
    file = io.BytesIO()
    image.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix), exif=Image.Exif())
    rng = np.random.default_rng(0)
    path = tmp_path / f"a.{suffix}"
    for _ in range(60):
        data = bytearray(file.getvalue())
        for position in rng.integers(0, len(data), 8):
            data[position] = rng.integers(256)
        path.write_bytes(data)
        try:
            assert read_image(path, max_pixels=10_000).shape[0] == 3
        except BadImageError:
            continue


def test_options_are_checked(tmp_path):
    with pytest.raises(OptionError, match="channels=4"):
        read_image(tmp_path / "a.png", 4)
    with pytest.raises(OptionError, match="max_pixels=0"):
        read_image(tmp_path / "a.png", max_pixels=0)


def test_the_error_survives_pickle_and_a_worker_process():
    error = BadImageError.of("a.png", "it is empty")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.image) == (str(error), error.image)
    handed_over = BadImageError(f"Caught in worker.\nTraceback:\n  ...\nregard.BadImageError: {error}\n")
    assert str(handed_over) == str(error)


def test_large_image_under_limit_gives_no_warning(tmp_path, recwarn):
    (tmp_path / "large.png").write_bytes(png(10_000, 9_500, 1, 0))
    warnings.simplefilter("always")
    with pytest.raises(BadImageError, match="truncated"):
        read_image(tmp_path / "large.png")
    check_images(tmp_path, ["large.png"], max_pixels=100_000_000)
    assert not recwarn.list
