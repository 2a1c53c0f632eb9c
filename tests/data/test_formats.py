"""Names of images, and messages for formats that are not read."""

import sys
import types

import pytest
from PIL import Image

from regard.data import BadImageError, formats, read_image


@pytest.mark.parametrize("name", ["a.JPG", "a.tiff", "a.webp", "a.avif", "a.pcx", "a.qoi", "a.dds", "a.psd", "a.fits"])
def test_formats_that_pillow_reads_are_images(name):
    assert formats.is_image(name)
    assert formats.describe_foreign(name) is None


@pytest.mark.parametrize("name", ["a.txt", "a.h5", "a.eps", "a.mpg", "jpg", "a.png.zip"])
def test_other_names_are_not(name):
    assert not formats.is_image(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.HEIC", "it is HEIC, which Pillow alone does not read: install pillow-heif, or convert it to JPEG"),
        ("a.nii.gz", "it is NIfTI, which regard does not read: convert it to PNG or TIFF"),
        ("a.txt", None),
    ],
)
def test_other_formats_are_described(name, said):
    assert formats.describe_foreign(name) == said


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"),
        (b"\xff\x0a\0\0", "JPEG XL"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_content_decides_whatever_the_name(tmp_path, start, kind):
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(start + bytes(100))
    with pytest.raises(BadImageError, match=f"it is {kind}, which"):
        read_image(path)


def test_a_package_that_reads_heic_is_used(monkeypatch):
    def register():
        Image.register_extension("HEIF", ".heic")
        Image.register_open("HEIF", lambda *_: None)

    package = types.ModuleType("pillow_heif")
    package.register_heif_opener = register
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(formats, "find_spec", lambda name: package)
    for table in ("EXTENSION", "OPEN"):
        monkeypatch.setattr(Image, table, dict(getattr(Image, table)))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    formats.extensions.cache_clear()
    assert formats.is_image("a.HEIC")
    formats.extensions.cache_clear()
