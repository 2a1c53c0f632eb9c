import struct

import numpy as np
import pytest
import soundfile

from regard.data.clip_checking import BadClipError
from regard.data.sound import check_sound, read_sound
from tests.data.clip_writing import tone, write_sound


@pytest.mark.parametrize(
    ("subtype", "error"), [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 1e-7)]
)
def test_any_bits_become_numbers_to_one(tmp_path, subtype, error):
    write_sound(tmp_path / "a.wav", tone(440, 0.1), subtype=subtype)
    read = read_sound(tmp_path / "a.wav", 16_000)
    assert np.abs(read[0].numpy() - tone(440, 0.1)).max() <= 1.01 * error


def test_channels_are_averaged(tmp_path):
    write_sound(tmp_path / "a.wav", np.stack((tone(440, 0.1), np.zeros(1600)), 1), subtype="FLOAT")
    assert np.allclose(read_sound(tmp_path / "a.wav", 16_000)[0], tone(440, 0.1) / 2, atol=1e-6)


def test_a_stream_without_its_size_is_whole(tmp_path):
    path = tmp_path / "a.wav"
    write_sound(path, tone(440, 0.1))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert check_sound(path).reason is None


def test_bad_sounds_have_a_reason(tmp_path):
    path = tmp_path / "a.wav"
    write_sound(path, tone(440, 0.1))
    whole = check_sound(path)
    assert (whole.reason, whole.length, whole.rate) == (None, 1600, 16_000)
    path.write_bytes(path.read_bytes()[:-100])
    assert check_sound(path).reason == "the file is truncated: 100 bytes of its samples are missing"
    path.write_bytes(b"RIFF no sound at all")
    assert "cannot be read" in check_sound(path).reason
    with pytest.raises(BadClipError, match=r"a\.wav"):
        read_sound(path, 16_000)
    soundfile.write(tmp_path / "nan.wav", np.full(10, np.nan, np.float32), 8000, subtype="FLOAT")
    assert "NaN" in check_sound(tmp_path / "nan.wav").reason
